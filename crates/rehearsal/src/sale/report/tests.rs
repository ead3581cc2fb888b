use std::time::Duration;

use order::Status;
use serde_json::Value;

use super::*;
use crate::purchase::Purchase;
use crate::sale::journal::{
    Answer, Fault, Follows, Gauge, Kind, Notice, Post, Row, Says, Seen, Shopper, Sight,
};
use crate::sale::verdict::{Check, Invariant, Limits, Moment, Violation};

const EVIL: &str = "</style><script>alert('x')</script>\"&\u{1b}[31m";

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Orders that come once a second; the one of this player has a name of its own.
fn journal(orders: u32, name: &str) -> Journal {
    let mut journal = Journal {
        seed: 4_711,
        ..Journal::default()
    };
    for number in 0..orders {
        let at = f64::from(number);
        let player = if number == 0 {
            name.to_owned()
        } else {
            format!("shopper-{number}")
        };
        let order = 1_000 + i64::from(number);
        journal.shoppers.push(Shopper {
            purchase: Purchase {
                project: 44_056,
                player: player.clone(),
                order,
                transaction: order + 1_000,
            },
            arrived: secs(at),
            lines: vec![(name.to_owned(), 1)],
            sandbox: false,
            registered: false,
            follows: Follows::Socket,
            notices: vec![Notice {
                says: Says::OrderPaid { combined: true },
                kind: Kind::Genuine,
            }],
        });
        journal.posts.push(Post {
            shopper: number,
            notice: 0,
            attempt: 1,
            due: secs(at),
            sent: secs(at),
            ended: secs(at + 0.010),
            answer: Answer::Code(204),
        });
        let status = Status::Done;
        journal.sights.push(Sight {
            player,
            client: number,
            at: secs(at + 0.030),
            seen: Seen::Pushed(Row {
                offset: 1,
                order,
                status,
            }),
        });
        journal.gauges.push(Gauge {
            at: secs(at),
            backlog: (number != 3).then_some(u64::from(number % 4)),
        });
    }
    journal
}

fn clean() -> Verdict {
    Verdict::judge(
        &Journal::default(),
        &Findings::default(),
        &Limits::default(),
    )
}

fn broken(violations: usize) -> Verdict {
    let violation = Violation {
        invariant: Invariant::I3,
        order: Some(1_000),
        player: Some(EVIL.to_owned()),
        what: format!("granted 2 times {EVIL}"),
        history: vec![Moment {
            at: secs(1.5),
            what: EVIL.to_owned(),
        }],
        instance: vec![EVIL.to_owned()],
    };
    let mut verdict = clean();
    for check in &mut verdict.checks {
        if check.invariant == Invariant::I3 {
            *check = Check {
                invariant: Invariant::I3,
                examined: violations,
                broken: violations,
            };
        }
    }
    verdict.violations = vec![violation; violations];
    verdict
}

/// Every tag is closed where it should be, every attribute is quoted.
fn is_well_formed(html: &str) {
    const VOID: [&str; 1] = ["meta"];
    let (_, style) = html.split_once("<style>").unwrap();
    let (style, body) = style.split_once("</style>").unwrap();
    assert!(!style.contains('<'), "{style}");
    let mut open: Vec<&str> = Vec::new();
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("<{piece}"));
        assert!(!text.contains('>'), "a loose `>`: {text}");
        if let Some(name) = tag.strip_prefix('/') {
            if open.is_empty() && (name == "head" || name == "html") {
                continue;
            }
            assert_eq!(open.pop(), Some(name), "in {open:?}");
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split([' ', '/']).next().unwrap();
        if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
}

fn loads_nothing(html: &str) {
    for loading in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "//",
    ] {
        assert!(!html.contains(loading), "{loading}");
    }
}

#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    for orders in [0, 1, 40] {
        for verdict in [clean(), broken(1), broken(70)] {
            let mut journal = journal(orders, EVIL);
            journal.faults.push(Fault {
                what: EVIL.to_owned(),
                from: secs(1.0),
                to: Some(secs(2.0)),
            });
            let findings = Findings::default();
            let html = Report::new(&journal, &findings, &verdict).html();
            is_well_formed(&html);
            loads_nothing(&html);
            assert!(!html.contains("alert('x')") && !html.contains('\u{1b}'));
            assert!(
                !html.contains("NaN") && !html.contains("inf"),
                "a place that is no number"
            );
        }
    }
}

#[test]
fn the_verdict_stands_on_top_of_the_page() {
    let (journal, findings) = (journal(40, "mira"), Findings::default());
    let page = |verdict: &Verdict| Report::new(&journal, &findings, verdict).html();
    let green = page(&clean());
    assert!(green.contains("<header class=\"clean\">") && green.contains("<h1>Clean</h1>"));
    let red = page(&broken(3));
    assert!(red.contains("<header class=\"broken\">"));
    assert!(red.contains("1 of 13 promises broken in 40 orders: I3 (3)."));
    assert!(red.contains("order 1000"));
}

#[test]
fn a_page_of_many_orders_stays_small() {
    let (journal, findings) = (journal(5_000, "mira"), Findings::default());
    let html = Report::new(&journal, &findings, &broken(4_000)).html();
    assert!(html.len() < 300_000, "{} bytes", html.len());
    is_well_formed(&html);
}

#[test]
fn the_table_says_what_was_played_and_names_the_first_orders() {
    let (journal, findings) = (journal(40, "mira"), Findings::default());
    let table = |verdict: &Verdict| Report::new(&journal, &findings, verdict).table();
    let green = table(&clean());
    assert!(
        green.starts_with("\nCLEAN  40 orders: nothing lost"),
        "{green}"
    );
    for line in [
        "  orders                                    40   in 39 s, 1.0 a second",
        "  order_paid                                40         ·         ·         ·         ·",
        "  until acknowledged                     10 ms     10 ms     10 ms     10 ms        40",
        "  webhook → done, over a WebSocket       30 ms     30 ms     30 ms     30 ms        40",
    ] {
        assert!(green.contains(line), "{line}\n{green}");
    }
    let red = table(&broken(12));
    assert!(red.contains("✗ I3 order 1000, player </style>"), "{red}");
    assert!(red.contains("and 2 violations more"), "{red}");
    assert!(!red.contains('\u{1b}'), "a stranger's words on a terminal");
}

#[test]
fn the_json_is_one_object_with_stable_members() {
    let mut journal = journal(2, "mira");
    journal.faults.push(Fault {
        what: "worker killed".to_owned(),
        from: secs(1.0),
        to: None,
    });
    let findings = Findings::default();
    let json = Report::new(&journal, &findings, &broken(1)).json();
    let members: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "acknowledged",
            "answers",
            "checks",
            "drain",
            "ended",
            "faults",
            "lasted_ms",
            "played",
            "polled_done",
            "pushed_done",
            "questions",
            "seed",
            "sentence",
            "verdict",
            "violations"
        ]
    );
    assert_eq!(json["verdict"], "broken");
    assert_eq!(json["acknowledged"]["p99_ms"], 10.0);
    assert_eq!(json["answers"]["order_paid"]["codes"]["204"], 2);
    assert_eq!(json["faults"][0]["to_ms"], Value::Null);
    assert_eq!(json["violations"][0]["order"], 1_000);
    assert_eq!(json["violations"][0]["history"][0]["at_ms"], 1_500.0);
    assert_eq!(json["checks"][2]["invariant"], "I3");
    let clean = Report::new(&journal, &findings, &clean()).json();
    assert_eq!(clean["verdict"], "clean");
}

#[test]
fn quantiles_are_values_that_were_measured() {
    let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
    let known = Quantiles::of(&mut times);
    let ms = [known.p50, known.p90, known.p99, known.max].map(|time| time.as_millis());
    assert_eq!((known.count, ms), (200, [100, 180, 198, 200]));
    assert_eq!(Quantiles::of(&mut []), Quantiles::default());
    let one = Quantiles::of(&mut [Duration::from_millis(7)]);
    assert_eq!(
        (one.p50, one.max),
        (Duration::from_millis(7), Duration::from_millis(7))
    );
}

#[test]
fn times_and_counts_are_said_as_people_say_them() {
    for (micros, words) in [
        (0, "0 µs"),
        (840, "840 µs"),
        (1_240, "1.2 ms"),
        (9_949, "9.9 ms"),
        (12_400, "12 ms"),
        (999_000, "999 ms"),
        (1_230_000, "1.2 s"),
        (62_000_000, "62 s"),
        (125_000_000, "2 min 5 s"),
    ] {
        assert_eq!(spoken(Duration::from_micros(micros)), words);
    }
    assert_eq!(thousands(1_234_567), "1,234,567");
    assert_eq!(thousands(999), "999");
    assert_eq!(counted(1, "order"), "1 order");
}
