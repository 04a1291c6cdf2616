//! A folder of a test's own, and the command run in it as a process.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

/// How a process ended, and what it printed on standard output and error.
pub type Ended = (Option<i32>, String, String);

/// What the developer's own environment may say.
const FOREIGN: [&str; 7] = [
    "NO_COLOR",
    "TOLLGATE_ADMIN_TOKEN",
    "TOLLGATE_BUNDLE",
    "TOLLGATE_NEXT",
    "TOLLGATE_ROUTES",
    "TOLLGATE_URL",
    "WRANGLER_COMMAND",
];

impl Folder {
    /// An empty one. Names are unique within a test's file.
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tollgate-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(std::fs::canonicalize(path).unwrap())
    }

    /// Writes a file, and the folders that it stands in.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The text of a file; empty if there is none.
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    /// Replaces what stands in a file.
    pub fn rewrite(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{from}: {text}");
        self.write(file, &text.replace(from, to));
    }

    /// Runs the command.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.spawn(Command::new(env!("CARGO_BIN_EXE_tollgate")).args(arguments))
    }

    /// Runs git, which must succeed.
    pub fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false"];
        let ended = self.spawn(Command::new("git").args(who).args(arguments));
        assert_eq!(ended.0, Some(0), "{ended:?}");
    }

    /// Runs a process. It sees nothing of what is set outside of the test, and no clone around the folder.
    pub fn spawn(&self, command: &mut Command) -> Ended {
        for name in FOREIGN {
            if !command.get_envs().any(|(set, _)| set == name) {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.0).env("GIT_CEILING_DIRECTORIES", self.0.parent().unwrap());
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
