use telemetry::Telemetry;
use time::Duration;

use super::*;

fn told(survey: Survey) -> String {
    let telemetry = Telemetry::quiet();
    let told = Told {
        watching: true,
        queues: Vec::new(),
        survey: Some(survey),
    };
    let (_sender, seen) = watch::channel(told);
    let projects = ["44056".parse().unwrap(), "7".parse().unwrap()];
    tell_watch(&telemetry.meter("worker"), &seen, &projects);
    telemetry.metrics_text()
}

fn unfulfilled(project: &str, amounts: Vec<(Box<str>, i128)>) -> Unfulfilled {
    Unfulfilled {
        project: project.parse().unwrap(),
        orders: 3,
        oldest_at: task::now() - Duration::minutes(5),
        amounts,
    }
}

#[test]
fn every_project_is_told_and_its_money_by_currency() {
    let survey = Survey {
        unfulfilled: vec![
            unfulfilled("44056", vec![("USD".into(), 12_345_678), ("EUR".into(), 1)]),
            unfulfilled("9", Vec::new()),
        ],
        ..Survey::default()
    };
    let text = told(survey);
    for line in [
        "grantline_ledger_paid_not_granted{project=\"44056\"} 3",
        "grantline_ledger_paid_not_granted{project=\"7\"} 0",
        "grantline_ledger_paid_not_granted{project=\"9\"} 3",
        "grantline_ledger_paid_not_granted_amount{currency=\"USD\",project=\"44056\"} 12.345678",
        "grantline_ledger_paid_not_granted_amount{currency=\"EUR\",project=\"44056\"} 0.000001",
        "grantline_ledger_paid_not_granted_oldest_seconds{project=\"7\"} 0",
        "grantline_ledger_parked{reason=\"unrouted\"} 0",
        "grantline_ledger_parked_oldest_seconds{reason=\"unrouted\"} 0",
        "grantline_ledger_obligations{direction=\"revoke\",state=\"owed_back\"} 0",
        "grantline_ledger_obligations_oldest_seconds{direction=\"grant\"} 0",
        "grantline_worker_watching 1",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    let age = "grantline_ledger_paid_not_granted_oldest_seconds{project=\"44056\"} ";
    let age = text
        .lines()
        .find_map(|line| line.strip_prefix(age))
        .unwrap();
    let age: f64 = age.parse().unwrap();
    assert!((300.0..400.0).contains(&age), "{age}");
}

#[test]
fn a_signer_who_invents_currencies_adds_no_series_without_end() {
    let invented = (0..10_000_u32).map(|number| {
        let letter = |place: u32| char::from(b'A' + u8::try_from(number / place % 26).unwrap());
        let code = [letter(676), letter(26), letter(1)]
            .iter()
            .collect::<String>();
        [(code.into(), 1), (format!("gold-{number}").into(), 1)]
    });
    let survey = Survey {
        unfulfilled: vec![unfulfilled("7", invented.flatten().collect())],
        ..Survey::default()
    };
    let text = told(survey);
    let series = text
        .matches("\ngrantline_ledger_paid_not_granted_amount{")
        .count();
    assert_eq!(series, CURRENCIES_MAX);
    assert!(!text.contains("gold"));
}

#[test]
fn a_reason_of_another_version_has_one_word() {
    let parked = OpenParked {
        reason: None,
        entries: 4,
        oldest_at: task::now() + Duration::hours(1),
    };
    let survey = Survey {
        parked: vec![parked],
        ..Survey::default()
    };
    let text = told(survey);
    assert!(
        text.contains("grantline_ledger_parked{reason=\"other\"} 4"),
        "{text}"
    );
    // Parked by somebody whose clock is ahead.
    let age = "grantline_ledger_parked_oldest_seconds{reason=\"other\"} 0";
    assert!(text.contains(age), "{text}");
}
