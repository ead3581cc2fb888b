use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::message::{Credentials, Payload};

const CHANNEL: &str = "orders:4711#user-9";

/// A connection and the driver's part in it, with a clock that stands still.
struct Rig {
    connection: Connection,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        Self::with(Settings {
            version: "0.1.0".to_owned(),
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Self {
        let now = Instant::now();
        // The first ping comes after 25 s, the lifetime ends after 27 minutes.
        Self {
            connection: Connection::new(Arc::new(settings), 1.0, now),
            now,
        }
    }

    /// A connection that stands at `top` and was not recovering.
    fn live(top: u64) -> Self {
        let mut rig = Self::new();
        rig.receive(r#"{"id":1,"connect":{}}"#);
        rig.authenticated();
        rig.loaded(top, vec![]);
        rig.drain();
        rig
    }

    fn receive(&mut self, frame: &str) {
        self.connection.receive(frame.as_bytes(), self.now);
    }

    fn authenticated(&mut self) {
        self.authenticated_until(None);
    }

    fn authenticated_until(&mut self, expires_at: Option<Instant>) {
        let (client, channel) = ("c-1".to_owned(), CHANNEL.to_owned());
        self.connection.authenticated(
            Identity {
                client,
                channel,
                expires_at,
            },
            self.now,
        );
    }

    fn loaded(&mut self, top: u64, rows: Vec<Publication>) {
        self.connection.loaded(
            &Loaded {
                epoch: "E".to_owned(),
                top,
                rows,
            },
            self.now,
        );
    }

    fn advance(&mut self, offsets: impl IntoIterator<Item = u64>) {
        self.connection.advance("E", &rows(offsets), self.now);
    }

    fn after(&mut self, duration: Duration) {
        self.now += duration;
        self.connection.tick(self.now);
    }

    /// What there is to do, one action a line.
    fn drain(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(action) = self.connection.next_action() {
            lines.push(match action {
                Action::Send(frame) => frame,
                Action::Authenticate(Credentials {
                    token,
                    data,
                    name,
                    version,
                }) => {
                    let data = data.as_ref().map_or("none", |data| data.get());
                    format!("authenticate name={name} version={version} token={token} data={data}")
                }
                Action::Load(LoadRequest { after, rows_max }) => {
                    format!("load after={after:?} rows_max={rows_max}")
                }
                Action::Close(close) => format!("close {} {}", close.code(), close.reason()),
            });
        }
        lines.join("\n")
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better at the call")]
    #[track_caller]
    fn does(&mut self, expected: Expect) {
        expected.assert_eq(&self.drain());
    }
}

fn rows(offsets: impl IntoIterator<Item = u64>) -> Vec<Publication> {
    offsets
        .into_iter()
        .map(|offset| Publication {
            offset,
            data: Payload::parse(&offset.to_string()).unwrap(),
        })
        .collect()
}

fn order(offset: u64, status: &str) -> Publication {
    let data = format!(r#"{{"order_id":59614241,"status":"{status}"}}"#);
    Publication {
        offset,
        data: Payload::parse(&data).unwrap(),
    }
}

#[test]
fn the_documented_snippet_is_served_step_by_step() {
    let mut rig = Rig::new();
    rig.receive(r#"{"connect":{"data":{"user_external_id":"user-9","auth":"eyJ.jwt","project_id":4711},"name":"js"},"id":1}"#);
    rig.does(expect![[r#"authenticate name=js version= token= data={"user_external_id":"user-9","auth":"eyJ.jwt","project_id":4711}"#]]);
    rig.authenticated();
    rig.does(expect!["load after=None rows_max=1000"]);
    rig.loaded(1, vec![]);
    rig.does(expect![[r#"{"id":1,"connect":{"client":"c-1","version":"0.1.0","subs":{"orders:4711#user-9":{"recoverable":true,"positioned":true,"epoch":"E","offset":1}},"ping":25,"pong":true}}"#]]);
    rig.receive(
        r#"{"history":{"channel":"orders:4711#user-9","since":{"offset":0},"limit":-1},"id":2}"#,
    );
    rig.does(expect!["load after=Some(0) rows_max=1000"]);
    rig.loaded(1, vec![order(1, "new")]);
    rig.does(expect![[r#"{"id":2,"history":{"publications":[{"data":{"order_id":59614241,"status":"new"},"offset":1}],"epoch":"E","offset":1}}"#]]);
    rig.connection.advance("E", &[order(2, "paid")], rig.now);
    rig.does(expect![[r#"{"push":{"channel":"orders:4711#user-9","pub":{"data":{"order_id":59614241,"status":"paid"},"offset":2}}}"#]]);
    rig.after(Duration::from_secs(25));
    rig.does(expect!["{}"]);
    rig.receive("{}");
    rig.after(Duration::from_secs(8));
    rig.does(expect![""]);
    rig.connection.close(Close::Shutdown);
    rig.does(expect!["close 3001 shutdown"]);

    let mut rig = Rig::new();
    rig.receive(r#"{"connect":{"data":{},"name":"js","subs":{"orders:4711#user-9":{"recover":true,"offset":2,"epoch":"E"}}},"id":3}"#);
    rig.authenticated();
    rig.does(expect![[r"
        authenticate name=js version= token= data={}
        load after=Some(2) rows_max=1000"]]);
    rig.loaded(3, vec![order(3, "done")]);
    rig.does(expect![[r#"{"id":3,"connect":{"client":"c-1","version":"0.1.0","subs":{"orders:4711#user-9":{"recoverable":true,"positioned":true,"epoch":"E","offset":2,"was_recovering":true,"recovered":true,"publications":[{"data":{"order_id":59614241,"status":"done"},"offset":3}]}},"ping":25,"pong":true}}"#]]);
    rig.connection
        .advance("E", &[order(3, "done"), order(4, "canceled")], rig.now);
    rig.does(expect![[r#"{"push":{"channel":"orders:4711#user-9","pub":{"data":{"order_id":59614241,"status":"canceled"},"offset":4}}}"#]]);
}

/// The subscription a client gets that asks to recover, without what is always the same.
fn recovery(requested: &str, top: u64, kept: Vec<Publication>) -> String {
    let mut rig = Rig::new();
    rig.receive(&format!(
        r#"{{"id":1,"connect":{{"subs":{{"{CHANNEL}":{{"recover":true,{requested}}}}}}}}}"#
    ));
    rig.authenticated();
    rig.drain();
    rig.loaded(top, kept);
    let reply = rig.drain();
    let (_, reply) = reply.split_once(r#""positioned":true,"#).unwrap();
    let (subscription, _) = reply.split_once(r#"}},"ping""#).unwrap();
    subscription.to_owned()
}

#[test]
fn one_missed_row_is_recovered() {
    expect![[r#""epoch":"E","offset":2,"was_recovering":true,"recovered":true,"publications":[{"data":3,"offset":3}]"#]]
        .assert_eq(&recovery(r#""offset":2,"epoch":"E""#, 3, rows([3])));
}

#[test]
fn a_client_that_missed_nothing_is_recovered_without_rows() {
    expect![[r#""epoch":"E","offset":3,"was_recovering":true,"recovered":true"#]]
        .assert_eq(&recovery(r#""offset":3,"epoch":"E""#, 3, vec![]));
}

#[test]
fn an_empty_epoch_recovers_from_the_very_start() {
    expect![[r#""epoch":"E","was_recovering":true,"recovered":true,"publications":[{"data":1,"offset":1},{"data":2,"offset":2}]"#]]
        .assert_eq(&recovery(r#""epoch":"""#, 2, rows([1, 2])));
}

#[test]
fn what_cannot_be_recovered_completely_is_not_recovered_at_all() {
    let refused = expect![[r#""epoch":"E","offset":9,"was_recovering":true"#]];
    let trimmed = recovery(r#""offset":2,"epoch":"E""#, 9, rows(4..=9));
    let gone = recovery(r#""offset":2,"epoch":"E""#, 9, vec![]);
    let with_a_hole = recovery(r#""offset":2,"epoch":"E""#, 9, rows([3, 4, 6, 7, 8, 9]));
    let other_epoch = recovery(r#""offset":8,"epoch":"old""#, 9, rows([9]));
    let from_the_future = recovery(r#""offset":10,"epoch":"E""#, 9, vec![]);
    for subscription in [trimmed, gone, with_a_hole, other_epoch, from_the_future] {
        refused.assert_eq(&subscription);
    }
}

#[test]
fn a_row_announced_while_the_stream_is_first_read_is_read_after_the_reply() {
    let mut rig = Rig::new();
    rig.receive(r#"{"id":1,"connect":{}}"#);
    rig.authenticated();
    rig.drain();
    rig.advance([6]);
    rig.does(expect![""]);
    rig.loaded(5, vec![]);
    rig.does(expect![[r#"
        {"id":1,"connect":{"client":"c-1","version":"0.1.0","subs":{"orders:4711#user-9":{"recoverable":true,"positioned":true,"epoch":"E","offset":5}},"ping":25,"pong":true}}
        load after=Some(5) rows_max=1000"#]]);
    rig.loaded(6, rows([6]));
    rig.does(expect![[
        r#"{"push":{"channel":"orders:4711#user-9","pub":{"data":6,"offset":6}}}"#
    ]]);
}

#[test]
fn commands_sent_along_with_connect_are_answered_after_its_reply() {
    let mut rig = Rig::new();
    rig.receive("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"rpc\":{}}");
    rig.authenticated();
    rig.receive(&format!(
        r#"{{"id":3,"history":{{"channel":"{CHANNEL}"}}}}"#
    ));
    rig.does(expect![[r"
        authenticate name= version= token= data=none
        load after=None rows_max=1000"]]);
    rig.loaded(5, vec![]);
    rig.does(expect![[r#"
        {"id":1,"connect":{"client":"c-1","version":"0.1.0","subs":{"orders:4711#user-9":{"recoverable":true,"positioned":true,"epoch":"E","offset":5}},"ping":25,"pong":true}}
        {"id":2,"error":{"code":108,"message":"not available"}}
        load after=Some(5) rows_max=1000"#]]);
}

#[test]
fn too_many_commands_before_the_connect_reply_close() {
    let mut rig = Rig::new();
    rig.receive(r#"{"id":1,"connect":{}}"#);
    rig.drain();
    for _ in 0..DEFERRED_MAX {
        rig.receive(r#"{"id":2,"rpc":{}}"#);
    }
    rig.does(expect![""]);
    rig.receive(r#"{"id":2,"rpc":{}}"#);
    rig.does(expect!["close 3013 too many requests"]);
}

#[test]
fn a_connection_starts_with_connect_and_only_once() {
    for frame in [
        r#"{"id":2,"history":{"channel":"c"}}"#,
        r#"{"id":2,"ping":{}}"#,
        r#"{"send":{}}"#,
        r#"{"id":2}"#,
        r#"{"connect":{}}"#,
        "",
        "\n",
        "hello",
    ] {
        let mut rig = Rig::new();
        rig.receive(frame);
        rig.does(expect!["close 3501 bad request"]);
    }
    let mut rig = Rig::live(1);
    rig.receive(r#"{"id":2,"connect":{}}"#);
    rig.does(expect!["close 3501 bad request"]);
}

#[test]
fn a_pong_nobody_asked_for_is_tolerated_at_any_time() {
    let mut rig = Rig::new();
    rig.receive("{}");
    rig.receive(r#"{"id":1,"connect":{}}"#);
    rig.receive("{}");
    rig.authenticated();
    rig.receive("{}");
    rig.loaded(1, vec![]);
    rig.drain();
    for _ in 0..10 {
        rig.after(Duration::from_secs(2));
        rig.receive("{}");
    }
    rig.does(expect![""]);
}

#[test]
fn a_client_that_never_connects_is_stale_and_a_slow_server_blames_itself() {
    let limit = Duration::from_secs(5);
    let mut silent = Rig::new();
    assert_eq!(silent.connection.next_deadline(), Some(silent.now + limit));
    silent.after(limit);
    silent.does(expect!["close 3502 stale"]);
    assert_eq!(silent.connection.next_deadline(), None);

    let mut authenticating = Rig::new();
    authenticating.receive(r#"{"id":1,"connect":{}}"#);
    authenticating.drain();
    authenticating.after(limit);
    authenticating.does(expect!["close 3004 internal server error"]);

    let mut reading = Rig::live(1);
    reading.advance([3]);
    reading.drain();
    reading.after(Settings::default().load_timeout);
    reading.does(expect!["close 3004 internal server error"]);
}

#[test]
fn a_refused_client_is_closed_and_late_answers_do_nothing() {
    let mut rig = Rig::new();
    rig.receive(r#"{"id":1,"connect":{}}"#);
    rig.drain();
    rig.connection.close(Close::InvalidToken);
    rig.does(expect!["close 3500 invalid token"]);
    rig.authenticated();
    rig.loaded(1, vec![]);
    rig.advance([2]);
    rig.connection.top("E", 9, rig.now);
    rig.receive("x");
    rig.connection.load_failed(rig.now);
    rig.after(Duration::from_hours(1));
    rig.does(expect![""]);
}

#[test]
fn rows_are_pushed_once_in_order_and_a_gap_is_read() {
    let mut rig = Rig::live(5);
    rig.advance([4, 5, 6, 6, 7]);
    rig.does(expect![[r#"
        {"push":{"channel":"orders:4711#user-9","pub":{"data":6,"offset":6}}}
        {"push":{"channel":"orders:4711#user-9","pub":{"data":7,"offset":7}}}"#]]);
    rig.advance([9]);
    rig.does(expect!["load after=Some(7) rows_max=1000"]);
    rig.advance([8]);
    rig.does(expect![""]);
    rig.loaded(9, rows([8, 9]));
    rig.does(expect![[r#"
        {"push":{"channel":"orders:4711#user-9","pub":{"data":8,"offset":8}}}
        {"push":{"channel":"orders:4711#user-9","pub":{"data":9,"offset":9}}}"#]]);
}

#[test]
fn a_row_announced_during_a_read_that_missed_it_is_read_again_once() {
    let mut rig = Rig::live(5);
    rig.advance([7]);
    rig.drain();
    rig.advance([8]);
    rig.loaded(7, rows([6, 7]));
    rig.does(expect![[r#"
        {"push":{"channel":"orders:4711#user-9","pub":{"data":6,"offset":6}}}
        {"push":{"channel":"orders:4711#user-9","pub":{"data":7,"offset":7}}}
        load after=Some(7) rows_max=1000"#]]);
    // The store does not know of it: a second doubt would be one too many.
    rig.loaded(7, vec![]);
    rig.does(expect![""]);
}

#[test]
fn a_stream_that_cannot_be_continued_closes_3010() {
    let mut other_epoch = Rig::live(5);
    other_epoch
        .connection
        .advance("F", &rows([6]), other_epoch.now);
    let mut other_top = Rig::live(5);
    other_top.connection.top("F", 5, other_top.now);
    let mut epoch_read = Rig::live(5);
    epoch_read.advance([7]);
    epoch_read.drain();
    let loaded = Loaded {
        epoch: "F".to_owned(),
        top: 7,
        rows: rows([6, 7]),
    };
    epoch_read.connection.loaded(&loaded, epoch_read.now);
    let mut trimmed = Rig::live(5);
    trimmed.advance([9]);
    trimmed.drain();
    trimmed.loaded(9, rows([8, 9]));
    let mut fell_back = Rig::live(5);
    fell_back.advance([9]);
    fell_back.drain();
    fell_back.loaded(4, vec![]);
    for mut rig in [other_epoch, other_top, epoch_read, trimmed, fell_back] {
        rig.does(expect!["close 3010 insufficient state"]);
    }
}

#[test]
fn a_read_in_disorder_is_the_servers_fault() {
    for (top, offsets) in [(7, vec![7, 6]), (7, vec![6, 6, 7]), (6, vec![6, 7])] {
        let mut rig = Rig::live(5);
        rig.advance([7]);
        rig.drain();
        rig.loaded(top, rows(offsets));
        rig.does(expect!["close 3004 internal server error"]);
    }
}

#[test]
fn a_read_that_failed_is_asked_for_again_until_its_time_is_over() {
    let mut rig = Rig::live(5);
    rig.advance([7]);
    rig.does(expect!["load after=Some(5) rows_max=1000"]);
    rig.connection.load_failed(rig.now);
    rig.does(expect![""]);
    // Neither a hint nor a comparison hurries it.
    rig.advance([8]);
    rig.connection.top("E", 8, rig.now);
    rig.does(expect![""]);
    assert_eq!(
        rig.connection.next_deadline(),
        Some(rig.now + Duration::from_secs(1))
    );
    rig.after(Duration::from_secs(1));
    rig.does(expect!["load after=Some(5) rows_max=1000"]);
    rig.loaded(7, rows([6, 7]));
    rig.does(expect![[r#"
        {"push":{"channel":"orders:4711#user-9","pub":{"data":6,"offset":6}}}
        {"push":{"channel":"orders:4711#user-9","pub":{"data":7,"offset":7}}}
        load after=Some(7) rows_max=1000"#]]);

    for _ in 0..9 {
        rig.connection.load_failed(rig.now);
        rig.after(Duration::from_secs(1));
        rig.does(expect!["load after=Some(7) rows_max=1000"]);
    }
    rig.connection.load_failed(rig.now);
    rig.after(Duration::from_secs(1));
    rig.does(expect!["close 3004 internal server error"]);
}

#[test]
fn a_comparison_of_positions_finds_what_hints_lost() {
    let mut rig = Rig::live(5);
    rig.connection.top("E", 5, rig.now);
    rig.does(expect![""]);
    rig.connection.top("E", 6, rig.now);
    rig.does(expect!["load after=Some(5) rows_max=1000"]);
}

/// The comparison reads many tops at once; rows pushed since make a sound
/// position look as if the stream had fallen back.
#[test]
fn a_top_below_the_position_is_read_again_before_it_is_believed() {
    let mut rig = Rig::live(5);
    rig.connection.top("E", 4, rig.now);
    rig.does(expect!["load after=Some(5) rows_max=1000"]);
    rig.loaded(5, vec![]);
    rig.does(expect![""]);
    rig.connection.top("E", 4, rig.now);
    rig.drain();
    rig.loaded(4, vec![]);
    rig.does(expect!["close 3010 insufficient state"]);
}

/// Without this the page in the vendor's documentation ends up believing an old status.
#[test]
fn a_history_reply_comes_after_the_rows_it_contains() {
    let mut rig = Rig::live(5);
    rig.receive(&format!(
        r#"{{"id":2,"history":{{"channel":"{CHANNEL}","since":{{"offset":4}},"limit":-1}}}}"#
    ));
    rig.advance([6]);
    rig.does(expect!["load after=Some(4) rows_max=1000"]);
    rig.loaded(7, rows([5, 6, 7]));
    rig.does(expect![[r#"
        {"push":{"channel":"orders:4711#user-9","pub":{"data":6,"offset":6}}}
        {"push":{"channel":"orders:4711#user-9","pub":{"data":7,"offset":7}}}
        {"id":2,"history":{"publications":[{"data":5,"offset":5},{"data":6,"offset":6},{"data":7,"offset":7}],"epoch":"E","offset":7}}"#]]);
}

/// The answer to one history command of a client at position 5, the store keeping 2 to 5.
fn history(request: &str) -> String {
    let mut rig = Rig::live(5);
    rig.receive(&format!(
        r#"{{"id":2,"history":{{"channel":"{CHANNEL}"{request}}}}}"#
    ));
    let load = rig.drain();
    let Some(after) = load.strip_prefix("load after=Some(") else {
        return load;
    };
    let (after, _) = after.split_once(')').unwrap();
    let after: u64 = after.parse().unwrap();
    rig.loaded(5, rows((2..=5).filter(|offset| *offset > after)));
    let reply: serde_json::Value = serde_json::from_str(&rig.drain()).unwrap();
    assert_eq!(reply["history"]["offset"], 5);
    reply["history"]["publications"].to_string()
}

#[test]
fn history_gives_the_range_and_direction_asked_for() {
    for (request, expected) in [
        (r"", "null"),
        (r#","limit":0,"since":{"offset":1}"#, "null"),
        (
            r#","limit":-1"#,
            r#"[{"data":2,"offset":2},{"data":3,"offset":3},{"data":4,"offset":4},{"data":5,"offset":5}]"#,
        ),
        (
            r#","limit":2"#,
            r#"[{"data":2,"offset":2},{"data":3,"offset":3}]"#,
        ),
        (
            r#","limit":-1,"since":{"offset":3,"epoch":"E"}"#,
            r#"[{"data":4,"offset":4},{"data":5,"offset":5}]"#,
        ),
        (r#","limit":-1,"since":{"offset":5}"#, "null"),
        (r#","limit":-1,"since":{"offset":99}"#, "null"),
        (
            r#","limit":2,"reverse":true"#,
            r#"[{"data":5,"offset":5},{"data":4,"offset":4}]"#,
        ),
        (
            r#","limit":-1,"since":{"offset":4},"reverse":true"#,
            r#"[{"data":3,"offset":3},{"data":2,"offset":2}]"#,
        ),
    ] {
        assert_eq!(history(request), expected, "{request}");
    }
    expect![[r#"{"id":2,"error":{"code":107,"message":"bad request"}}"#]].assert_eq(&history(
        r#","limit":1,"since":{"offset":0},"reverse":true"#,
    ));
    expect![[r#"{"id":2,"error":{"code":112,"message":"unrecoverable position"}}"#]]
        .assert_eq(&history(r#","limit":1,"since":{"offset":1,"epoch":"old"}"#));
}

#[test]
fn history_commands_that_wait_share_the_next_read_and_are_bounded() {
    let mut rig = Rig::live(5);
    let ask = |id: u32| format!(r#"{{"id":{id},"history":{{"channel":"{CHANNEL}"}}}}"#);
    rig.receive(&ask(1));
    rig.does(expect!["load after=Some(5) rows_max=1000"]);
    for id in 2..=10 {
        rig.receive(&ask(id));
    }
    rig.does(expect![[
        r#"{"id":10,"error":{"code":111,"message":"too many requests","temporary":true}}"#
    ]]);
    rig.loaded(5, vec![]);
    rig.does(expect![[r#"
        {"id":1,"history":{"epoch":"E","offset":5}}
        load after=Some(5) rows_max=1000"#]]);
    rig.loaded(5, vec![]);
    assert_eq!(rig.drain().lines().count(), stream::WAITING_MAX);
}

#[test]
fn what_is_not_offered_is_refused_and_the_connection_stays() {
    let mut rig = Rig::live(5);
    rig.receive(&format!(
        r#"{{"id":3,"subscribe":{{"channel":"{CHANNEL}"}}}}
           {{"id":4,"publish":{{"channel":"other","data":1}}}}
           {{"id":5,"rpc":{{"method":"m"}}}}
           {{"id":6,"history":{{"channel":"other","limit":-1}}}}
           {{"id":7,"of_a_later_protocol":{{}}}}
           {{"id":8,"ping":{{}}}}"#
    ));
    rig.does(expect![[r#"
        {"id":3,"error":{"code":108,"message":"not available"}}
        {"id":4,"error":{"code":103,"message":"permission denied"}}
        {"id":5,"error":{"code":108,"message":"not available"}}
        {"id":6,"error":{"code":103,"message":"permission denied"}}
        {"id":7,"error":{"code":104,"message":"method not found"}}
        {"id":8,"ping":{}}"#]]);
}

#[test]
fn a_broken_command_ends_a_live_connection() {
    let long = "c".repeat(CHANNEL_BYTES_MAX + 1);
    for frame in [
        r#"{"id":2,"history":{"limit":-1}}"#,
        r#"{"history":{"channel":"c"}}"#,
        r#"{"id":2,"presence":{}}"#,
        r#"{"id":2,"#,
        &format!(r#"{{"id":2,"presence":{{"channel":"{long}"}}}}"#),
    ] {
        let mut rig = Rig::live(5);
        rig.receive(frame);
        rig.does(expect!["close 3501 bad request"]);
    }
    let mut rig = Rig::live(5);
    rig.receive(r#"{"send":{"data":{}}}"#);
    rig.does(expect!["close 3508 not available"]);
}

#[test]
fn a_client_that_talks_too_fast_is_told_to_come_again() {
    let mut rig = Rig::live(5);
    rig.receive(&"{}\n".repeat(1_000));
    rig.does(expect!["close 3013 too many requests"]);
}

#[test]
fn a_client_that_does_not_answer_a_ping_is_closed() {
    let mut rig = Rig::live(5);
    assert_eq!(
        rig.connection.next_deadline(),
        Some(rig.now + Duration::from_secs(25))
    );
    rig.after(Duration::from_secs(25));
    rig.does(expect!["{}"]);
    assert_eq!(
        rig.connection.next_deadline(),
        Some(rig.now + Duration::from_secs(8))
    );
    rig.after(Duration::from_secs(7));
    rig.does(expect![""]);
    rig.after(Duration::from_secs(1));
    rig.does(expect!["close 3012 no pong"]);
}

#[test]
fn a_connection_ends_with_its_credentials_or_its_lifetime() {
    let mut rig = Rig::new();
    rig.receive(r#"{"id":1,"connect":{}}"#);
    let exp = rig.now + Duration::from_secs(20);
    rig.authenticated_until(Some(exp));
    rig.loaded(1, vec![]);
    rig.drain();
    assert_eq!(rig.connection.next_deadline(), Some(exp));
    rig.after(Duration::from_secs(20));
    rig.does(expect!["close 3005 connection expired"]);

    let lifetime_max = Duration::from_secs(10);
    let mut rig = Rig::with(Settings {
        lifetime_max,
        ..Settings::default()
    });
    rig.receive(r#"{"id":1,"connect":{}}"#);
    rig.authenticated();
    rig.loaded(1, vec![]);
    rig.drain();
    assert_eq!(
        rig.connection.next_deadline(),
        Some(rig.now + lifetime_max.mul_f64(0.9))
    );
    rig.after(lifetime_max);
    rig.does(expect!["close 3011 force reconnect"]);
}

#[test]
fn an_odd_jitter_is_brought_into_bounds() {
    let now = Instant::now();
    for jitter in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 7.0] {
        let connection = Connection::new(Arc::new(Settings::default()), jitter, now);
        assert!((0.0..=1.0).contains(&connection.jitter));
    }
}

#[test]
fn the_tally_counts_pushes_and_tells_a_recovery() {
    let mut rig = Rig::live(1);
    rig.advance([2, 3]);
    rig.connection.top("E", 5, rig.now);
    rig.loaded(5, rows(4..=5));
    assert_eq!(rig.connection.tally().pushes, 4);
    assert_eq!(rig.connection.tally().recovered, None);

    let mut rig = Rig::new();
    rig.receive(&format!(
        r#"{{"id":1,"connect":{{"subs":{{"{CHANNEL}":{{"recover":true,"offset":2}}}}}}}}"#
    ));
    rig.authenticated();
    rig.loaded(3, rows([3]));
    assert_eq!(rig.connection.tally().recovered, Some(true));
}
