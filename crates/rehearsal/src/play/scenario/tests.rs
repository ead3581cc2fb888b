use serde_json::Value;

use super::*;

const ALL_VIEWS: Views = Views {
    client: true,
    api: true,
};
const NO_VIEWS: Views = Views {
    client: false,
    api: false,
};

fn script(scenario: Scenario, overrides: &[&str], views: Views) -> Script {
    let overrides: Vec<Override> = overrides.iter().map(|it| it.parse().unwrap()).collect();
    let purchase = Purchase {
        project: 44_056,
        player: "mira".to_owned(),
        order: 7,
        transaction: 70,
    };
    scenario.script(&purchase, &overrides, views).unwrap()
}

fn letters(script: &Script) -> Vec<(Letter, Value)> {
    let letters = script.steps.iter().filter_map(|step| {
        let Step::Send(letter) = step else {
            return None;
        };
        Some(letter)
    });
    letters
        .map(|it| (it.clone(), serde_json::from_slice(&it.body).unwrap()))
        .collect()
}

fn heard(script: &Script) -> Vec<Status> {
    let heard = script.steps.iter().filter_map(|step| {
        if let Step::Hear(status) = step {
            return Some(*status);
        }
        (*step == Step::HearNew).then_some(Status::New)
    });
    heard.collect()
}

fn brought(script: &Script) -> Vec<Vec<(String, i64)>> {
    let gained = script.steps.iter().filter_map(|step| {
        let Step::Gained(gained) = step else {
            return None;
        };
        Some(gained.clone())
    });
    gained.collect()
}

/// `(kind, copies, forged)` of each letter.
fn outline(script: &Script) -> Vec<(String, usize, bool)> {
    letters(script)
        .into_iter()
        .map(|(letter, _)| (letter.kind, letter.copies, letter.forged))
        .collect()
}

#[test]
fn each_scenario_sends_what_its_name_says() {
    let sent = |scenario| {
        let script = script(scenario, &[], ALL_VIEWS);
        let outline = outline(&script).into_iter();
        outline
            .map(|(kind, copies, forged)| {
                format!("{kind}×{copies}{}", if forged { " forged" } else { "" })
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (scenario, expected) in [
        (Scenario::Paid, "user_validation×1, order_paid×1"),
        (
            Scenario::Refund,
            "user_validation×1, payment×1, order_paid×1, refund×1, order_canceled×1",
        ),
        (Scenario::CancelFirst, "order_canceled×1, order_paid×1"),
        (Scenario::Free, "order_paid×1"),
        (Scenario::Bundle, "user_validation×1, order_paid×1"),
        (
            Scenario::Duplicate,
            "user_validation×1, order_paid×2, order_paid×1",
        ),
        (Scenario::BadSignature, "order_paid×1 forged"),
        (Scenario::UnknownPlayer, "user_validation×1"),
    ] {
        assert_eq!(sent(scenario), expected, "{scenario}");
    }
}

#[test]
fn each_scenario_expects_its_statuses_and_goods() {
    use Status::{Canceled, Done, New, Paid};
    let bought = || {
        vec![
            ("com.example.blade_ember".to_owned(), 1),
            ("com.example.crystals".to_owned(), 250),
        ]
    };
    let content = vec![
        ("com.example.blade_frost".to_owned(), 1),
        ("com.example.crystals".to_owned(), 250),
    ];
    let crates = vec![("com.example.daily_crate".to_owned(), 1)];
    for (scenario, statuses, goods) in [
        (Scenario::Paid, vec![New, Paid, Done], vec![bought()]),
        (
            Scenario::Refund,
            vec![New, Paid, Done, Canceled],
            vec![bought(), vec![]],
        ),
        (Scenario::CancelFirst, vec![New, Canceled], vec![vec![]]),
        (Scenario::Free, vec![New, Paid, Done], vec![crates]),
        (Scenario::Bundle, vec![New, Paid, Done], vec![content]),
        (Scenario::Duplicate, vec![New, Paid, Done], vec![bought()]),
        (Scenario::BadSignature, vec![], vec![vec![]]),
        (Scenario::UnknownPlayer, vec![], vec![]),
    ] {
        let script = script(scenario, &[], ALL_VIEWS);
        assert_eq!(heard(&script), statuses, "{scenario}");
        assert_eq!(brought(&script), goods, "{scenario}");
    }
}

#[test]
fn without_views_only_the_answers_are_judged() {
    for scenario in Scenario::ALL {
        let script = script(scenario, &[], NO_VIEWS);
        let sent = letters(&script).len();
        assert!(sent > 0, "{scenario}");
        assert_eq!(sent, script.steps.len(), "{scenario}: {:?}", script.steps);
    }
}

#[test]
fn the_refused_expect_their_codes() {
    for (scenario, code) in [
        (Scenario::BadSignature, ErrorCode::InvalidSignature),
        (Scenario::UnknownPlayer, ErrorCode::InvalidUser),
    ] {
        let sent = letters(&script(scenario, &[], NO_VIEWS));
        assert_eq!(sent[0].0.expected, Expected::Refused(code));
    }
}

#[test]
fn an_overridden_player_is_the_same_in_every_notice() {
    let script = script(Scenario::Refund, &["user.external_id=ava"], ALL_VIEWS);
    assert_eq!(script.purchase.player, "ava");
    for (letter, notice) in letters(&script) {
        let is_of_order = letter.kind.starts_with("order_");
        let field = if is_of_order { "external_id" } else { "id" };
        assert_eq!(notice["user"][field], "ava", "{notice}");
    }
}

#[test]
fn expectations_follow_what_is_overridden() {
    let other = script(
        Scenario::Paid,
        &["items.0.sku=axe", "items.0.quantity=3"],
        ALL_VIEWS,
    );
    let goods = vec![
        ("axe".to_owned(), 3),
        ("com.example.crystals".to_owned(), 250),
    ];
    assert_eq!(brought(&other), [goods]);
    let sandbox = script(Scenario::Paid, &["order.mode=sandbox"], ALL_VIEWS);
    assert_eq!(heard(&sandbox), [Status::New, Status::Paid]);
    assert_eq!(brought(&sandbox), [vec![]]);
}

#[test]
fn names_are_read_back() {
    for scenario in Scenario::ALL {
        assert_eq!(scenario.as_str().parse(), Ok(scenario));
    }
    assert_eq!("refunds".parse::<Scenario>(), Err(()));
}
