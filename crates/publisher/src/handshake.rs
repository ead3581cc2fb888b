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
    /// What is spoken here.
    Json,
    /// Protobuf, and nothing else.
    Protobuf,
}

/// Why a request opens no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeFault {
    Method,
    NotWebSocket,
}

impl HandshakeFault {
    pub(crate) fn reply(self) -> Reply {
        match self {
            Self::Method => {
                let mut reply = empty(StatusCode::METHOD_NOT_ALLOWED);
                let headers = reply.headers_mut();
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
                reply
            }
            Self::NotWebSocket => {
                let told = "This address speaks WebSocket, version 13.\n";
                let mut reply = text(StatusCode::UPGRADE_REQUIRED, told);
                let headers = reply.headers_mut();
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                reply
            }
        }
    }
}

/// The 101 that opens the connection, or what is wrong with the request.
pub(crate) fn shake_hands(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(Reply, Encoding), HandshakeFault> {
    if method != Method::GET {
        return Err(HandshakeFault::Method);
    }
    let asks = lists(headers, CONNECTION.as_str(), "upgrade")
        && lists(headers, UPGRADE.as_str(), "websocket")
        && lists(headers, SEC_WEBSOCKET_VERSION.as_str(), "13");
    let accept = headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|_| asks)
        .and_then(|key| HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok())
        .ok_or(HandshakeFault::NotWebSocket)?;
    let encoding = encoding(uri, headers);
    // A protocol we do not know, such as the `wss` of Unreal's SDK, is left unanswered:
    // the client then goes on without one.
    let offered = |protocol| lists(headers, SEC_WEBSOCKET_PROTOCOL.as_str(), protocol);
    let named = match encoding {
        Encoding::Json => JSON,
        Encoding::Protobuf => PROTOBUF,
    };
    let mut reply = empty(StatusCode::SWITCHING_PROTOCOLS);
    let answer = reply.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if offered(named) {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(named));
    }
    Ok((reply, encoding))
}

fn encoding(uri: &Uri, headers: &HeaderMap) -> Encoding {
    let offers = |protocol| lists(headers, SEC_WEBSOCKET_PROTOCOL.as_str(), protocol);
    let asks = |pair: &str| pair == "format=protobuf" || pair == "cf_protocol=protobuf";
    let protobuf = offers(PROTOBUF) || uri.query().is_some_and(|query| query.split('&').any(asks));
    if protobuf && !offers(JSON) {
        Encoding::Protobuf
    } else {
        Encoding::Json
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
        assert_eq!(encoding, Encoding::Json);
    }

    #[test]
    fn only_a_known_protocol_is_named_in_the_answer() {
        for (offered, named, expected) in [
            ("wss", None, Encoding::Json),
            ("wss, centrifuge-json", Some(JSON), Encoding::Json),
            ("centrifuge-protobuf", Some(PROTOBUF), Encoding::Protobuf),
            (
                "centrifuge-protobuf, centrifuge-json",
                Some(JSON),
                Encoding::Json,
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
        assert_eq!(refused.unwrap_err().reply().status(), 426);
    }
}
