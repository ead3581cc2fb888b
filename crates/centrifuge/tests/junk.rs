//! Whatever a client sends, the machine neither panics nor keeps still about it.

use std::{sync::Arc, time::Instant};

use centrifuge::{Action, Close, Connection, Identity, Loaded, Settings};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

const CHANNEL: &str = "news#ann";

fn silent(now: Instant) -> Connection {
    Connection::new(Arc::new(Settings::default()), 0.5, now)
}

fn live(now: Instant) -> Connection {
    let mut connection = silent(now);
    connection.receive(br#"{"id":1,"connect":{}}"#, now);
    let (client, channel) = ("c".to_owned(), CHANNEL.to_owned());
    connection.authenticated(
        Identity {
            client,
            channel,
            expires_at: None,
        },
        now,
    );
    connection.loaded(
        &Loaded {
            epoch: "e".to_owned(),
            top: 0,
            rows: Vec::new(),
        },
        now,
    );
    while connection.next_action().is_some() {}
    connection
}

/// Takes all actions; each frame must be one document on one line, a close the last.
fn actions(connection: &mut Connection) -> Vec<Action> {
    let actions: Vec<Action> = std::iter::from_fn(|| connection.next_action()).collect();
    for (index, action) in actions.iter().enumerate() {
        match action {
            Action::Send(frame) => {
                assert!(serde_json::from_str::<Value>(frame).is_ok_and(|value| value.is_object()));
                assert!(!frame.contains('\n'));
            }
            Action::Close(_) => assert_eq!(index + 1, actions.len()),
            Action::Authenticate(_) | Action::Load(_) => {}
        }
    }
    actions
}

const COMMANDS: [&str; 8] = [
    r#"{"id":1,"connect":{"token":"t","data":{"a":[1,null]},"name":"js","subs":{"news#ann":{"recover":true,"offset":7,"epoch":"x"}}}}"#,
    r#"{"id":2,"history":{"channel":"news#ann","since":{"offset":0},"limit":-1,"reverse":true}}"#,
    r#"{"id":3,"subscribe":{"channel":"news#ann","recover":true,"flag":1}}"#,
    r#"{"id":4,"publish":{"channel":"other","data":{}}}"#,
    r#"{"id":5,"ping":{}}"#,
    r#"{"send":{"data":1}}"#,
    r#"{"id":6,"rpc":{"method":"m","data":"x"}}"#,
    "{}",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::from(CHANNEL)),
    ];
    let key = select(vec![
        "channel", "since", "limit", "reverse", "offset", "epoch", "subs", "x",
    ]);
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key.clone(), inner), 0..5).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn bytes_that_are_no_command_close_the_connection(bytes in vec(any::<u8>(), 0..200)) {
        let opens_an_object = bytes.contains(&b'{');
        let now = Instant::now();
        for mut connection in [silent(now), live(now)] {
            connection.receive(&bytes, now);
            let actions = actions(&mut connection);
            let refused = matches!(actions[..], [Action::Close(Close::BadRequest)]);
            prop_assert!(refused || opens_an_object);
        }
    }

    #[test]
    fn a_damaged_command_is_answered_refused_or_closes(
        command in select(COMMANDS.to_vec()),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = command.as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        let now = Instant::now();
        for mut connection in [silent(now), live(now)] {
            connection.receive(&frame[..=cut.index(frame.len())], now);
            actions(&mut connection);
            connection.receive(&frame, now);
            actions(&mut connection);
        }
    }

    #[test]
    fn a_command_with_an_id_is_never_passed_over_in_silence(
        id in 1..=u32::MAX,
        method in select(vec![
            "connect", "subscribe", "unsubscribe", "publish", "presence", "presence_stats",
            "history", "ping", "send", "rpc", "refresh", "sub_refresh", "later",
        ]),
        body in value(),
    ) {
        let mut command = serde_json::Map::from_iter([("id".to_owned(), Value::from(id))]);
        command.insert(method.to_owned(), body);
        let frame = Value::from(command).to_string();
        let now = Instant::now();
        for mut connection in [silent(now), live(now)] {
            connection.receive(frame.as_bytes(), now);
            prop_assert!(!actions(&mut connection).is_empty(), "{frame}");
        }
    }
}
