//! Requests of a doubtful shape. Two servers in a row that read one differently take a part
//! of it for another request; and a 400 to a paid order would be final.

use std::time::Duration;

use broker::Broker;
use futures_util::future::join_all;
use hyper::StatusCode;
use testkit::RabbitMq;
use tokio::time::timeout;

use crate::ingress::{Ingress, PATH, order_paid, signature};
use crate::peer::{Peer, head, request, statuses};

/// Longer than the role takes for an answer.
const SILENCE: Duration = Duration::from_secs(3);

/// A request in the guise of a body or of what follows it.
struct Shape {
    name: &'static str,
    bytes: String,
}

/// Framings that servers read differently. ALL stands for the length of everything that
/// follows the head, CHUNK for that of the empty chunk it begins with.
const FRAMINGS: [(&str, &str); 22] = [
    (
        "both lengths",
        "content-length: ALL\r\ntransfer-encoding: chunked",
    ),
    (
        "both, turned",
        "transfer-encoding: chunked\r\ncontent-length: ALL",
    ),
    (
        "both, short",
        "content-length: CHUNK\r\ntransfer-encoding: chunked",
    ),
    (
        "two lengths",
        "content-length: ALL\r\ncontent-length: CHUNK",
    ),
    (
        "two lengths, turned",
        "content-length: CHUNK\r\ncontent-length: ALL",
    ),
    ("a list of lengths", "content-length: ALL, CHUNK"),
    ("a signed length", "content-length: +ALL"),
    ("a hexadecimal length", "content-length: 0xALL"),
    ("a length below zero", "content-length: -1"),
    (
        "an unknown coding",
        "content-length: ALL\r\ntransfer-encoding: xchunked",
    ),
    (
        "chunked is not last",
        "transfer-encoding: chunked, identity",
    ),
    (
        "chunked twice",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ),
    (
        "a coding in capitals",
        "content-length: ALL\r\nTransfer-Encoding: CHUNKED",
    ),
    (
        "space before the colon",
        "content-length: ALL\r\ntransfer-encoding : chunked",
    ),
    (
        "a tab before the coding",
        "content-length: ALL\r\ntransfer-encoding:\tchunked",
    ),
    (
        "a control character",
        "content-length: ALL\r\ntransfer-encoding: \x0bchunked",
    ),
    (
        "a folded coding",
        "content-length: ALL\r\ntransfer-encoding:\r\n chunked",
    ),
    (
        "a folded length",
        "x: y\r\n content-length: CHUNK\r\ntransfer-encoding: chunked",
    ),
    (
        "a line feed in a header",
        "x: y\ntransfer-encoding: chunked",
    ),
    (
        "a carriage return in a header",
        "x: y\rcontent-length: CHUNK",
    ),
    (
        "a line without a colon",
        "content-length: ALL\r\ntransfer-encoding chunked",
    ),
    (
        "a header without a name",
        "content-length: ALL\r\n: chunked",
    ),
];

/// The ends of an empty chunked body, and what is like one.
const CHUNKS: [(&str, &str); 7] = [
    ("a size with a prefix", "0x0\r\n\r\n"),
    ("a size below zero", "-0\r\n\r\n"),
    ("a size that overflows", "fffffffffffffffff0\r\n\r\n"),
    ("an extension", "0;x=\"\r\n\r\n"),
    ("a size that ends in a line feed", "0\n\r\n"),
    ("a trailer", "0\r\ncontent-length: 5\r\n\r\n"),
    ("a chunk without its end", "1\r\nxx0\r\n\r\n"),
];

/// A request whose framing is doubtful: some server may take what is behind its empty
/// chunk, its line or its first length for another one.
fn framed(name: &'static str, framing: &str) -> Shape {
    let hidden = request(&order_paid(7));
    let body = format!("0\r\n\r\n{hidden}");
    let framing = framing
        .replace("ALL", &body.len().to_string())
        .replace("CHUNK", "5");
    let signed = signature(body.as_bytes());
    Shape {
        name,
        bytes: format!(
            "POST {PATH} HTTP/1.1\r\nhost: h\r\nauthorization: {signed}\r\n{framing}\r\n\r\n{body}"
        ),
    }
}

/// A chunked body with a doubtful chunk, signed as if it were empty.
fn chunked(name: &'static str, chunks: &str) -> Shape {
    let hidden = request(&order_paid(7));
    let signed = signature(b"");
    Shape {
        name,
        bytes: format!(
            "POST {PATH} HTTP/1.1\r\nhost: h\r\nauthorization: {signed}\r\n\
             transfer-encoding: chunked\r\n\r\n{chunks}{hidden}"
        ),
    }
}

fn shapes() -> Vec<Shape> {
    let hidden = request(&order_paid(7));
    let framed = FRAMINGS.iter().map(|(name, framing)| framed(name, framing));
    let chunked = CHUNKS.iter().map(|(name, chunks)| chunked(name, chunks));
    let mut shapes: Vec<_> = framed.chain(chunked).collect();
    let mut add = |name: &'static str, bytes: String| shapes.push(Shape { name, bytes });
    add("space before the method", format!(" {hidden}"));
    add("a header before the method", format!("x: y\r\n{hidden}"));
    add("no version", hidden.replace(" HTTP/1.1", ""));
    add("another version", hidden.replace("HTTP/1.1", "HTTP/1.9"));
    add(
        "version 2",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned() + &hidden,
    );
    add(
        "spaces in the target",
        hidden.replacen(PATH, "/webhooks/x y", 1),
    );
    add("an old version, chunked", {
        let old = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        old.to_owned() + &hidden
    });
    add(
        "too large to be read",
        head(300_000, &signature(b"")) + &hidden,
    );
    add("a chunk too large to be read", {
        let open = "POST /webhooks HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{open}50000\r\n{hidden}")
    });
    shapes
}

#[tokio::test]
async fn no_request_hides_in_another_and_no_shape_is_refused_for_good() {
    let vhost = RabbitMq::vhost().await;
    let ingress = Ingress::start(vhost.url(), &[]).await;
    let shapes = shapes();
    let exchanges = shapes.iter().map(|shape| async {
        let mut peer = Peer::connect(ingress.at).await;
        assert!(peer.send(&shape.bytes).await, "{}", shape.name);
        let mut read = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut peer.0, &mut read);
        // An answered connection may stay open for the next request.
        let _ = timeout(SILENCE, reading).await;
        String::from_utf8(read).unwrap()
    });
    let mut silent = 0;
    for (shape, read) in shapes.iter().zip(join_all(exchanges).await) {
        let answers = statuses(&read);
        assert!(answers.len() <= 1, "{}: {answers:?}", shape.name);
        match answers.first() {
            None => silent += 1,
            Some(204 | 503) => {}
            // The bytes that were signed are not those of the body as it is framed.
            Some(400) => assert!(read.contains("INVALID_SIGNATURE"), "{}: {read}", shape.name),
            Some(other) => panic!("{}: {other}", shape.name),
        }
    }
    assert!(silent > 15, "heads that are none are not answered");

    assert_eq!(ingress.post(&order_paid(8)).await, StatusCode::NO_CONTENT);
    let meter = telemetry::Telemetry::quiet().meter("broker");
    let broker = Broker::connect(vhost.config(), "test", &meter);
    let depths = broker.depths().await.unwrap();
    let orders = depths
        .iter()
        .find(|depth| depth.queue == "grantline.grant.v1");
    assert_eq!(orders.unwrap().ready, 1, "only the honest order is taken");
    broker.close().await;
}

#[tokio::test]
async fn what_http_allows_is_taken() {
    let vhost = RabbitMq::vhost().await;
    let ingress = Ingress::start(vhost.url(), &[]).await;
    let plain = request(&order_paid(1));
    let body = order_paid(1);
    let (first, second) = body.split_at(9);
    let chunks = format!(
        "{:x}\r\n{first}\r\n{:X};x=y\r\n{second}\r\n0\r\nx: y\r\n\r\n",
        first.len(),
        second.len()
    );
    let authorization = format!("authorization: {}", signature(body.as_bytes()));
    let allowed = [
        plain.clone(),
        plain.replacen(PATH, &format!("http://elsewhere{PATH}"), 1),
        plain.replacen(PATH, &format!("{PATH}?x=y"), 1),
        plain.replacen("\r\n", "\r\nHOST: other\r\n", 1),
        plain.replacen("HTTP/1.1", "HTTP/1.0", 1),
        format!("\r\n{plain}"),
        plain.replacen("content-length: ", "Content-Length:   ", 1),
        format!(
            "POST {PATH} HTTP/1.1\r\n{authorization}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
        ),
    ];
    for bytes in &allowed {
        let mut peer = Peer::connect(ingress.at).await;
        assert!(peer.send(bytes).await);
        let mut answer = [0; 12];
        let reading = tokio::io::AsyncReadExt::read_exact(&mut peer.0, &mut answer);
        assert!(reading.await.is_ok(), "no answer to {bytes}");
        assert_eq!(&answer[8..], b" 204", "{bytes}");
    }
}
