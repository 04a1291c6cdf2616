//! `tollgate diff` as a process: folders, revisions of git and plans; how it ends.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::unwrap_used)]

#[path = "support/folder.rs"]
#[allow(dead_code)] // Not every test uses all of it.
mod folder;

use folder::Folder;

const GATEWAY: &str = "tollgate: 2\nenvironments: [dev, live]\nvariables:\n  origin: { type: url, values: { dev: \"https://d.example\", live: \"https://l.example\" } }\ndefaults: { auth: none }\n";
const API: &str = "tollgate: 2\napi: a\nowner: team-a\nversion: { name: v1 }\nbase: /a\nupstream: { url: \"${origin}\" }\nlimits: { calm: { rate: 10/s, per: address } }\ndefaults: { limits: [calm] }\nroutes:\n  one: { match: GET / }\n  two: { match: \"GET /{id}\" }\n";

/// A clone with route files in `routes`.
fn clone(name: &str) -> Folder {
    let clone = Folder::new(name);
    clone.write("routes/gateway.yaml", GATEWAY);
    clone.write("routes/a/v1.yaml", API);
    clone.git(&["init", "-q"]);
    commit(&clone, "first");
    clone
}

fn commit(clone: &Folder, message: &str) {
    clone.git(&["add", "-A"]);
    clone.git(&["commit", "-q", "-m", message]);
}

#[test]
fn text_alone_changes_nothing() {
    let clone = clone("text");
    assert_eq!(
        clone.run(&["diff", "HEAD"]),
        (Some(0), "no change in meaning: dev, live\n".into(), String::new())
    );
    clone.write(
        "routes/a/v1.yaml",
        &format!("# a comment\n{}", API.replace("  one: {", "  one: # why\n    {")),
    );
    assert_eq!(clone.run(&["diff", "HEAD"]).0, Some(0));
    let (code, out, _) = clone.run(&["diff", "HEAD", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["changed"], &json["loosened"]), (Some(0), &false.into(), &0.into()));
}

#[test]
fn revisions_folders_and_plans_are_compared_alike() {
    let clone = clone("sides");
    clone.run(&["compile", "--env", "live", "--out", "before.bin"]);
    clone.write("routes/a/v1.yaml", &API.replace("GET /{id}", "GET /things/{id}"));
    commit(&clone, "second");
    clone.write("older/routes/gateway.yaml", GATEWAY);
    clone.write("older/routes/a/v1.yaml", API);
    let said = "  ~ a/v1/two\n      match: without GET /{id}, with GET /things/{id}\n";
    for arguments in [
        &["diff", "HEAD~1"][..],
        &["diff", "HEAD~1", "HEAD"],
        &["diff", "HEAD~1:routes", "routes"],
        &["diff", "HEAD~1:./routes", "HEAD"],
        &["diff", "older/routes", "HEAD"],
        &["diff", "older/routes", "routes"],
        &["diff", "before.bin"],
        &["diff", "before.bin", "HEAD", "--env", "live"],
    ] {
        let (code, out, error) = clone.run(arguments);
        assert_eq!((code, error.as_str()), (Some(3), ""), "{arguments:?}: {out}");
        assert!(out.starts_with("team-a\n") && out.contains(said), "{arguments:?}: {out}");
        assert!(out.contains("\n      was a/v1/two, now 404\n"), "{arguments:?}: {out}");
        // An open route that takes more requests than before is more open.
        assert!(
            out.contains("\n      was 404, now a/v1/two   !! open to everybody\n"),
            "{arguments:?}: {out}"
        );
    }
    // The other way round it is the same, mirrored; a plan of one environment says nothing of others.
    let (_, out, _) = clone.run(&["diff", "HEAD", "before.bin", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["reports"].as_array().unwrap().len(), 1);
    assert_eq!(json["reports"][0]["environment"], "live");
    assert_eq!(json["reports"][0]["report"]["routes"][0]["changes"][0]["field"], "match");
}

#[test]
fn what_is_looser_ends_with_3_unless_allowed() {
    let clone = clone("looser");
    clone.write("routes/a/v1.yaml", &API.replace("10/s", "1000/s"));
    let (code, out, _) = clone.run(&["diff", "HEAD"]);
    assert_eq!(code, Some(3));
    assert!(
        out.contains("limits.a/v1/calm.algorithm: Bucket (burst: 10, period: 1000, rate: 10)")
            && out.contains("   !! limit raised\n"),
        "{out}"
    );
    assert!(
        out.ends_with(
            "routes: 0 added, 0 removed, 0 renamed, 2 changed; requests that go elsewhere: 0; looser: 1\n"
        ),
        "{out}"
    );
    assert_eq!(clone.run(&["diff", "HEAD", "--allow-loosened"]).0, Some(1));
    assert_eq!(clone.run(&["diff", "routes", "HEAD"]).0, Some(1));
    assert!(clone.run(&["diff", "HEAD", "--color", "always"]).1.contains("\u{1b}[1;31m   !! limit raised"));
    // What differs in one environment only is said of that one.
    clone.write("routes/a/v1.yaml", API);
    clone.write(
        "routes/gateway.yaml",
        &GATEWAY
            .replace("https://l.example", "https://m.example")
            .replace("[dev, live]", "[dev, live, more]")
            .replace("live: \"", "more: \"https://x.example\", live: \""),
    );
    let (code, out, _) = clone.run(&["diff", "HEAD"]);
    assert_eq!(code, Some(3));
    assert!(
        out.starts_with("+ environment more\nteam-a\n") && out.contains("a/v1/one, a/v1/two   (in live)\n"),
        "{out}"
    );
    assert_eq!(clone.run(&["diff", "HEAD", "--env", "dev"]).0, Some(0));
}

#[test]
fn folders_of_a_revision_merge_as_they_did() {
    let clone = clone("folders");
    clone.write("team/routes/b.yaml", &API.replace("api: a", "api: b").replace("base: /a", "base: /b"));
    clone.write("routes/gateway.yaml", &format!("{GATEWAY}folders: [../team/routes]\n"));
    commit(&clone, "with a team");
    assert_eq!(clone.run(&["diff", "HEAD"]).0, Some(0));
    let (code, out, _) = clone.run(&["diff", "HEAD~1", "HEAD"]);
    assert!(
        code == Some(3)
            && out
                .contains("  + b/v1/one   team/routes/b.yaml:10:3\n      */b GET /   !! open to everybody\n"),
        "{out}"
    );
    assert_eq!(clone.run(&["diff", "HEAD", "--routes", "routes", "--routes", "team/routes"]).0, Some(0));
}

#[test]
fn what_cannot_be_compared_is_said() {
    let clone = clone("wrong");
    clone.write("no.bin", "no plan");
    for (arguments, words) in [
        (&["diff", "nowhere"][..], "`nowhere` is no folder, no plan and no revision of git"),
        (&["diff", "no.bin"], "no.bin: this is no plan"),
        (&["diff", "HEAD:nowhere"], "HEAD has no route files in `nowhere`"),
        (&["diff", "HEAD", "--routes", "../elsewhere"], "../elsewhere lies outside of the clone"),
        (
            &["diff", "HEAD", "--env", "none"],
            "--env: the environments are dev, live before and dev, live after",
        ),
        (&["diff", "--output=/tmp/x"], "--output"),
        (&["diff", "--", "--output=x"], "is no folder, no plan and no revision of git"),
    ] {
        let (code, out, error) = clone.run(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    clone.write("routes/a/v1.yaml", "tollgate: [");
    let (code, _, error) = clone.run(&["diff", "HEAD"]);
    assert!(
        code == Some(2)
            && error.contains("routes/a/v1.yaml:1:")
            && error.contains("the route files: mistakes in the environment dev"),
        "{error}"
    );
}

/// Two owners; what is wrong with one does not stop the other.
#[test]
fn check_of_a_change_shows_what_concerns_it() {
    let clone = clone("changed");
    let other = API.replace("api: a", "api: b").replace("base: /a", "base: /b").replace("team-a", "team-b");
    clone.write("routes/b/v1.yaml", &other.replace("calm]", "clam]"));
    commit(&clone, "with a mistake of team-b");
    let (code, out, _) = clone.run(&["check", "--changed"]);
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(
        out,
        "no route file differs from HEAD; 1 problem elsewhere, as before, is not shown\nok: dev, live\n"
    );
    clone.write("routes/a/v1.yaml", &API.replace("  one:", "  # more\n  one:"));
    let (code, out, _) = clone.run(&["check", "--changed", "HEAD"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with("changed since HEAD: routes/a/v1.yaml, of team-a; 1 problem elsewhere"), "{out}");
    assert_eq!(clone.run(&["check"]).0, Some(1));
    // What a change breaks elsewhere is its own, and files that git does not know differ as well.
    clone.write("routes/a/v2.yaml", &API.replace("v1", "v2").replace("base: /a", "base: /b"));
    let (code, out, _) = clone.run(&["check", "--changed"]);
    assert!(code == Some(1) && out.contains("belongs to"), "{out}");
    assert!(out.contains("changed since HEAD: routes/a/v1.yaml, routes/a/v2.yaml"), "{out}");
    // The gateway file concerns everybody; problems stand under their owners.
    clone.write(
        "routes/gateway.yaml",
        &GATEWAY.replace("tollgate: 2", "tollgate: 2\nowner: platform\nname: 9"),
    );
    let (code, out, _) = clone.run(&["check", "--changed"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("the gateway file differs from HEAD: everything is shown"), "{out}");
    let json: serde_json::Value =
        serde_json::from_str(&clone.run(&["check", "--changed", "--json"]).1).unwrap();
    assert_eq!(json["changed"]["others"], 0);
    assert!(
        json["problems"].as_array().unwrap().iter().any(|problem| problem["owner"] == "platform"),
        "{json}"
    );
    assert_eq!(clone.run(&["check", "--changed", "nowhere"]).0, Some(2));
}
