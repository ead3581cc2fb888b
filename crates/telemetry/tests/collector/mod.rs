//! A collector that keeps what it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Path and body of each push.
pub(crate) type Pushes = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Takes OTLP over HTTP and keeps what came.
pub(crate) fn start() -> (SocketAddr, Pushes) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket");
    let pushes = Pushes::default();
    std::thread::spawn({
        let pushes = Arc::clone(&pushes);
        move || {
            for tcp in listener.incoming().flatten() {
                let pushes = Arc::clone(&pushes);
                std::thread::spawn(move || take(&tcp, &pushes));
            }
        }
    });
    (addr, pushes)
}

/// Answers every request of one connection; `None` at its end.
fn take(tcp: &TcpStream, pushes: &Pushes) -> Option<()> {
    let mut reader = BufReader::new(tcp);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            (reader.read_line(&mut line).ok()? > 0).then_some(())?;
            head.push_str(&line);
        }
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length: ")?.1.split_once("\r\n")?.0;
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let path = head.split(' ').nth(1)?.to_owned();
        pushes.lock().ok()?.push((path, body));
        let mut writer = tcp;
        let reply =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        writer.write_all(reply.as_bytes()).ok()?;
    }
}

/// Whether a push to `path` contains `text`; protobuf keeps strings as they are.
pub(crate) fn pushed(pushes: &Pushes, path: &str, text: &[u8]) -> bool {
    let pushes = pushes.lock().expect("no panic under the lock");
    pushes
        .iter()
        .any(|(to, body)| to == path && body.windows(text.len()).any(|part| part == text))
}
