//! The WebSocket handshake, and which of the protocol's encodings a client wants.

use httpd::{Reply, empty, text};
use hyper::header::{
    ALLOW, CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const JSON: &str = "centrifuge-json";
const PROTOBUF: &str = "centrifuge-protobuf";

/// How a client wants to talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// What is spoken here. `named` if the client offered it by name.
    Json { named: bool },
    /// Protobuf, and nothing else.
    Protobuf,
}

/// The 101 that opens the connection, or what is wrong with the request.
pub(crate) fn shake_hands(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(Reply, Encoding), Reply> {
    if method != Method::GET {
        let mut reply = empty(StatusCode::METHOD_NOT_ALLOWED);
        reply
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return Err(reply);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let (true, true, Some(key)) = (
        lists(headers, CONNECTION.as_str(), "upgrade"),
        lists(headers, UPGRADE.as_str(), "websocket"),
        key,
    ) else {
        return Err(expects_websocket());
    };
    if headers
        .get(SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err(expects_websocket());
    }
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    let Ok(accept) = accept else {
        return Err(expects_websocket());
    };
    let encoding = encoding(uri, headers);
    let mut reply = empty(StatusCode::SWITCHING_PROTOCOLS);
    let answer = reply.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    // A protocol we do not know, such as the `wss` of Unreal's SDK, is left unanswered:
    // the client then goes on without one.
    let named = match encoding {
        Encoding::Json { named: true } => Some(JSON),
        Encoding::Json { named: false } => None,
        Encoding::Protobuf => {
            lists(headers, SEC_WEBSOCKET_PROTOCOL.as_str(), PROTOBUF).then_some(PROTOBUF)
        }
    };
    if let Some(named) = named {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(named));
    }
    Ok((reply, encoding))
}

fn expects_websocket() -> Reply {
    let mut reply = text(
        StatusCode::UPGRADE_REQUIRED,
        "This address speaks WebSocket, version 13.\n",
    );
    let headers = reply.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    reply
}

fn encoding(uri: &Uri, headers: &HeaderMap) -> Encoding {
    let offers = |protocol| lists(headers, SEC_WEBSOCKET_PROTOCOL.as_str(), protocol);
    let asks = |pair: &str| pair == "format=protobuf" || pair == "cf_protocol=protobuf";
    if offers(JSON) {
        Encoding::Json { named: true }
    } else if offers(PROTOBUF) || uri.query().is_some_and(|query| query.split('&').any(asks)) {
        Encoding::Protobuf
    } else {
        Encoding::Json { named: false }
    }
}

/// Whether a header, a list of words over any number of lines, has this one.
fn lists(headers: &HeaderMap, name: &str, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &'static str, protocol: Option<&'static str>) -> (Reply, Encoding) {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (CONNECTION, "keep-alive, Upgrade"),
            (UPGRADE, "websocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(protocol) = protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        shake_hands(&Method::GET, &Uri::from_static(path), &headers).unwrap()
    }

    #[test]
    fn a_key_is_answered_as_the_standard_says() {
        let (reply, encoding) = ask("/", None);
        assert_eq!(reply.status(), 101);
        assert_eq!(
            reply.headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(encoding, Encoding::Json { named: false });
    }

    #[test]
    fn only_a_known_protocol_is_named_in_the_answer() {
        for (offered, named, expected) in [
            ("wss", None, Encoding::Json { named: false }),
            (
                "wss, centrifuge-json",
                Some(JSON),
                Encoding::Json { named: true },
            ),
            ("centrifuge-protobuf", Some(PROTOBUF), Encoding::Protobuf),
            (
                "centrifuge-protobuf, centrifuge-json",
                Some(JSON),
                Encoding::Json { named: true },
            ),
        ] {
            let (reply, encoding) = ask("/", Some(offered));
            let answered = reply.headers().get(SEC_WEBSOCKET_PROTOCOL);
            assert_eq!(answered.map(|value| value.to_str().unwrap()), named);
            assert_eq!(encoding, expected, "{offered}");
        }
        let (reply, encoding) = ask("/?x=1&cf_protocol=protobuf", None);
        assert_eq!(encoding, Encoding::Protobuf);
        assert!(!reply.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn a_plain_request_is_told_what_is_spoken_here() {
        let refused = shake_hands(&Method::GET, &Uri::from_static("/"), &HeaderMap::new());
        assert_eq!(refused.unwrap_err().status(), 426);
    }
}
