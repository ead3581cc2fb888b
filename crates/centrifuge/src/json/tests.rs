use expect_test::{Expect, expect};

use super::*;
use crate::{
    code::ErrorCode,
    message::{Connected, Payload, Publication, Reply, Subscribed},
};

const CHANNEL: &str = "orders:4711#user-9";

fn publication(offset: u64, data: &str) -> Publication {
    Publication {
        offset,
        data: Payload::parse(data).unwrap(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at the call")]
fn decodes(frame: &str, expected: Expect) {
    let lines: Vec<String> = commands(frame.as_bytes())
        .map(|command| command.map_or_else(|_| "malformed".to_owned(), |c| format!("{c:?}")))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at the call")]
fn encodes(reply: Reply<'_>, expected: Expect) {
    expected.assert_eq(&encode(&reply));
}

#[test]
fn a_connect_command_keeps_the_positions_of_channels_that_recover() {
    let frame = r#"{"id":3,"connect":{"token":"secret","data":{"auth":"secret"},"name":"js","version":"5.8.0","headers":{"a":"b"},"flag":1,"subs":{"a":{"recover":true,"offset":7,"epoch":"x"},"b":{"offset":7}}}}"#;
    decodes(
        frame,
        expect![[
            r#"Command { id: 3, request: Connect(Connect { credentials: Credentials { name: "js", version: "5.8.0", .. }, recover: {"a": Position { offset: 7, epoch: "x" }} }) }"#
        ]],
    );
    let command = commands(frame.as_bytes()).next().unwrap().unwrap();
    let crate::message::Request::Connect(connect) = command.request else {
        panic!("{command:?}")
    };
    assert_eq!(connect.credentials.token, "secret");
    assert_eq!(
        connect.credentials.data.unwrap().get(),
        r#"{"auth":"secret"}"#
    );
}

#[test]
fn every_sdks_spelling_of_the_history_command_means_the_same() {
    for frame in [
        r#"{"history":{"channel":"c","since":{"offset":0},"limit":-1},"id":2}"#,
        r#"{"id": 2, "history": {"channel": "c", "limit": -1, "reverse": false, "since": {"offset": 0, "epoch": ""}}}"#,
        r#"{"id":2,"history":{"channel":"c","limit":-1,"since":{}}}"#,
        r#"{"id":2,"rpc":null,"history":{"channel":"c","limit":-1,"reverse":null,"since":{"epoch":null}}}"#,
    ] {
        decodes(
            frame,
            expect![[
                r#"Command { id: 2, request: History(History { channel: "c", since: Some(Position { offset: 0, epoch: "" }), limit: -1, reverse: false }) }"#
            ]],
        );
    }
    decodes(
        r#"{"id":2,"history":{"channel":"c"}}"#,
        expect![[
            r#"Command { id: 2, request: History(History { channel: "c", since: None, limit: 0, reverse: false }) }"#
        ]],
    );
}

#[test]
fn a_frame_is_read_command_by_command() {
    decodes(
        "{\"id\":4294967295,\"ping\":{}}\n\n{}\n{\"send\":{\"data\":1}}\r\n",
        expect![[r"
            Command { id: 4294967295, request: Ping }
            Command { id: 0, request: Pong }
            Command { id: 0, request: Send }"]],
    );
    decodes("{}\n", expect!["Command { id: 0, request: Pong }"]);
    decodes("\n", expect![""]);
}

#[test]
fn requests_that_are_not_offered_keep_only_the_channel_they_name() {
    decodes(
        r#"{"id":3,"subscribe":{"channel":"a","token":"t","recover":true,"flag":1}}
           {"id":4,"unsubscribe":{"channel":"b"}}
           {"id":5,"publish":{"channel":"c","data":{"x":1}}}
           {"id":6,"presence":{"channel":"d"}}
           {"id":7,"presence_stats":{"channel":"e"}}
           {"id":8,"rpc":{"method":"m","data":[]}}
           {"id":9,"refresh":{"token":"t"}}
           {"id":10,"sub_refresh":{"channel":"f","token":"t"}}
           {"id":11,"of_a_later_protocol":{}}"#,
        expect![[r#"
            Command { id: 3, request: NotOffered { channel: Some("a") } }
            Command { id: 4, request: NotOffered { channel: Some("b") } }
            Command { id: 5, request: NotOffered { channel: Some("c") } }
            Command { id: 6, request: NotOffered { channel: Some("d") } }
            Command { id: 7, request: NotOffered { channel: Some("e") } }
            Command { id: 8, request: NotOffered { channel: None } }
            Command { id: 9, request: NotOffered { channel: None } }
            Command { id: 10, request: NotOffered { channel: Some("f") } }
            Command { id: 11, request: Unknown }"#]],
    );
}

#[test]
fn of_several_requests_in_one_command_the_first_of_the_protocol_counts() {
    decodes(
        r#"{"id":1,"rpc":{},"history":{"channel":"c"},"subscribe":{"channel":"s"}}"#,
        expect![[r#"Command { id: 1, request: NotOffered { channel: Some("s") } }"#]],
    );
}

#[test]
fn what_is_no_command_is_malformed() {
    for frame in [
        "[]",
        "null",
        "7",
        "x",
        "{",
        r#"{"id":-1}"#,
        r#"{"id":4294967296}"#,
        r#"{"id":1,"connect":[]}"#,
        r#"{"id":1,"rpc":[]}"#,
        r#"{"id":1,"subscribe":["c"]}"#,
        r#"{"id":1,"connect":{"name":7}}"#,
        r#"{"id":1,"history":{"channel":"c","since":{"offset":-1}}}"#,
        r#"{"id":1,"history":{"channel":"c","limit":2147483648}}"#,
        r#"{"id":1,"id":2}"#,
    ] {
        decodes(frame, expect!["malformed"]);
    }
    let invalid_utf8 = b"{\"id\":1,\"connect\":{\"data\":\"\xff\"}}";
    assert!(
        commands(invalid_utf8)
            .next()
            .is_some_and(|command| command.is_err())
    );
}

#[test]
fn a_connect_reply_says_where_the_client_stands() {
    let connected = |subscribed| Reply::Connect {
        id: 1,
        connected: Connected {
            client: "c-1",
            version: "0.1.0",
            ping_seconds: 25,
            channel: CHANNEL,
            subscribed,
        },
    };
    let first = Subscribed {
        epoch: "AbCdEfGh",
        offset: 1,
        was_recovering: false,
        recovered: false,
        publications: &[],
    };
    encodes(
        connected(first),
        expect![[
            r#"{"id":1,"connect":{"client":"c-1","version":"0.1.0","subs":{"orders:4711#user-9":{"recoverable":true,"positioned":true,"epoch":"AbCdEfGh","offset":1}},"ping":25,"pong":true}}"#
        ]],
    );
    let missed = [publication(3, r#"{"order_id":59614241,"status":"done"}"#)];
    let recovered = Subscribed {
        epoch: "AbCdEfGh",
        offset: 2,
        was_recovering: true,
        recovered: true,
        publications: &missed,
    };
    encodes(
        connected(recovered),
        expect![[
            r#"{"id":1,"connect":{"client":"c-1","version":"0.1.0","subs":{"orders:4711#user-9":{"recoverable":true,"positioned":true,"epoch":"AbCdEfGh","offset":2,"was_recovering":true,"recovered":true,"publications":[{"data":{"order_id":59614241,"status":"done"},"offset":3}]}},"ping":25,"pong":true}}"#
        ]],
    );
}

#[test]
fn a_history_reply_has_its_object_even_when_empty() {
    let kept = publication(1, r#"{"order_id":59614241,"status":"new"}"#);
    encodes(
        Reply::History {
            id: 2,
            publications: vec![&kept],
            epoch: "AbCdEfGh",
            top: 1,
        },
        expect![[
            r#"{"id":2,"history":{"publications":[{"data":{"order_id":59614241,"status":"new"},"offset":1}],"epoch":"AbCdEfGh","offset":1}}"#
        ]],
    );
    encodes(
        Reply::History {
            id: 2,
            publications: vec![],
            epoch: "",
            top: 0,
        },
        expect![[r#"{"id":2,"history":{}}"#]],
    );
}

#[test]
fn pushes_pings_and_errors_have_their_exact_shape() {
    let paid = publication(2, r#"{"order_id":59614241,"status":"paid"}"#);
    encodes(
        Reply::Publication {
            channel: CHANNEL,
            publication: &paid,
        },
        expect![[
            r#"{"push":{"channel":"orders:4711#user-9","pub":{"data":{"order_id":59614241,"status":"paid"},"offset":2}}}"#
        ]],
    );
    encodes(Reply::Ping, expect!["{}"]);
    encodes(Reply::Pong { id: 4 }, expect![[r#"{"id":4,"ping":{}}"#]]);
    encodes(
        Reply::Error {
            id: 8,
            error: ErrorCode::NotAvailable,
        },
        expect![[r#"{"id":8,"error":{"code":108,"message":"not available"}}"#]],
    );
    encodes(
        Reply::Error {
            id: 8,
            error: ErrorCode::TooManyRequests,
        },
        expect![[
            r#"{"id":8,"error":{"code":111,"message":"too many requests","temporary":true}}"#
        ]],
    );
}

#[test]
fn publication_data_is_one_line_of_unchanged_json() {
    let pretty = Payload::parse("{\n  \"a\": \"x\\ny\",\r\n  \"b\": 1.50\n}").unwrap();
    assert_eq!(pretty.get(), r#"{  "a": "x\ny",  "b": 1.50}"#);
    assert!(Payload::parse("{} {}").is_err());
    assert!(Payload::parse("1\n2").is_err());
}
