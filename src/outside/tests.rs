use super::*;
use crate::sql::Value;
use std::io::{Read, Write};
use std::net::TcpListener;

/// Answers one request with these bytes, and gives its own.
fn once(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = vec![0; 4096];
        let mut length = 0;
        while !seen[..length].windows(4).any(|four| four == b"\r\n\r\n") {
            length += stream.read(&mut seen[length..]).unwrap();
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(seen[..length].to_vec()).unwrap()
    });
    (url, served)
}

#[test]
fn an_answer_is_given_as_it_is_and_no_redirect_followed() {
    let (url, served) = once(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
    );
    let answer = fetch(&Request::new("PURGE", &url).header("authorization", "Bearer t")).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (302, "hi"));
    let twice: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "x-a").collect();
    assert_eq!(twice.len(), 2);
    let seen = served.join().unwrap().to_ascii_lowercase();
    assert!(
        seen.starts_with("purge /x http/1.1\r\n") && seen.contains("authorization: bearer t\r\n"),
        "{seen}"
    );
}

#[test]
fn what_is_too_long_or_not_there_is_an_error_that_names_the_url() {
    let (url, served) = once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789");
    let mut request = Request::new("GET", &url);
    request.longest = 8;
    assert!(fetch(&request).unwrap_err().0.starts_with(&url));
    served.join().unwrap();
    assert!(fetch(&Request::new("GET", "http://127.0.0.1:1/")).unwrap_err().0.contains("127.0.0.1:1"));
}

#[test]
fn programs_get_their_input_and_tell_how_they_ended() {
    let mut program = Program::new("sh", &["-c", "cat; echo no >&2; exit 3"]);
    program.input = vec![b'x'; 300_000];
    let ended = run(&program).unwrap();
    assert_eq!((ended.code, ended.stdout.len(), ended.stderr.as_slice()), (Some(3), 300_000, &b"no\n"[..]));
    program.arguments = vec!["-c".into(), "pwd".into()];
    program.folder = Some("/".into());
    assert_eq!(run(&program).unwrap().stdout, b"/\n");
    program.name = "no-such-program-here".into();
    assert!(run(&program).unwrap_err().0.starts_with("no-such-program-here: "));
}

#[test]
fn sql_gives_integers_and_texts_and_its_own_words_for_mistakes() {
    let database = Database::open().unwrap();
    database.execute("CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x')").unwrap();
    let params = [Value::Int(1 << 52), Value::Text("ä".into())];
    assert_eq!(database.query("INSERT INTO t VALUES (?1, ?2)", &params), Ok(vec![]));
    assert_eq!(database.query("INSERT INTO t VALUES (?2, NULL)", &[Value::Null, Value::Int(-3)]), Ok(vec![]));
    assert_eq!(
        database.query("SELECT a, b FROM t ORDER BY a", &[]),
        Ok(vec![
            vec![Value::Int(-3), Value::Null],
            vec![Value::Int(1), Value::Text("x".into())],
            vec![Value::Int(1 << 52), Value::Text("ä".into())],
        ])
    );
    assert!(database.query("SELECT z FROM t", &[]).unwrap_err().0.contains("no such column: z"));
}
