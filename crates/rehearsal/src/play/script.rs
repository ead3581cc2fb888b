//! What is done step by step, and what is expected of each step.

use bytes::Bytes;
use order::Status;
use serde_json::Value;
use serde_json::value::RawValue;
use xsolla::answer::ErrorCode;

use super::overrides::{Override, OverrideError};
use crate::purchase::Purchase;

/// The most notices of one file.
const MAX_NOTICES: usize = 10_000;

/// Steps to be played in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The scenario's name, or the file's.
    pub name: String,
    /// Whom and what it is about.
    pub purchase: Purchase,
    pub(crate) steps: Vec<Step>,
    pub(crate) on_mismatch: OnMismatch,
}

/// What can be seen of the instance beside its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Views {
    /// We can connect as a game client.
    pub client: bool,
    /// We can ask as a game server.
    pub api: bool,
}

/// Whether to go on after something unexpected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnMismatch {
    /// Later steps build on this one.
    Stop,
    /// The notices have nothing to do with each other.
    GoOn,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// The game server registers the player.
    RegisterPlayer,
    /// The game server reads what the player holds before anything happens.
    ReadInventory,
    /// The game client connects.
    Connect,
    /// The game server registers the order it has created.
    RegisterOrder,
    /// The client hears that the order was created.
    HearNew,
    /// Xsolla sends a notice.
    Send(Letter),
    /// The client hears this status next.
    Hear(Status),
    /// For a while the client hears nothing more.
    Quiet,
    /// The ledger knows how the notice of this kind ended.
    Booked(&'static str),
    /// The client's history tells these statuses of the order, after `new` where the order
    /// was registered.
    History(Vec<Status>),
    /// The client polls and gets this status.
    Poll(Status),
    /// The player holds so much more than before. Comes after the booking.
    Gained(Vec<(String, i64)>),
}

impl Step {
    pub(crate) fn is_seen_by(&self, views: Views) -> bool {
        match self {
            Self::RegisterPlayer
            | Self::ReadInventory
            | Self::RegisterOrder
            | Self::Booked(_)
            | Self::Gained(_) => views.api,
            Self::Connect | Self::Hear(_) | Self::History(_) | Self::Poll(_) => views.client,
            Self::HearNew => views.client && views.api,
            Self::Quiet => views.client || views.api,
            Self::Send(_) => true,
        }
    }
}

/// A notice to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Letter {
    pub(crate) kind: String,
    pub(crate) body: Bytes,
    /// How many of it leave at the same instant.
    pub(crate) copies: usize,
    /// Signed with a secret the instance does not know.
    pub(crate) forged: bool,
    pub(crate) expected: Expected,
}

/// The answer a notice has to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// 200, 201 or 204: Xsolla takes all three as done.
    Accepted,
    /// 400 with this code.
    Refused(ErrorCode),
}

impl Letter {
    pub(crate) fn new(notice: &Value) -> Self {
        Self::raw(notice.to_string().into(), notice)
    }

    /// A body as it is, and what was read of it.
    fn raw(body: Bytes, read: &Value) -> Self {
        let kind = read["notification_type"].as_str();
        Self {
            kind: kind
                .unwrap_or("a notice without notification_type")
                .to_owned(),
            body,
            copies: 1,
            forged: false,
            expected: Expected::Accepted,
        }
    }

    pub(crate) fn copied(&self, copies: usize) -> Self {
        Self {
            copies,
            ..self.clone()
        }
    }

    pub(crate) fn forged(self) -> Self {
        Self {
            forged: true,
            ..self
        }
    }

    pub(crate) fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }
}

/// Why a script cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// An override that cannot be applied.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The file is neither JSON nor JSON lines.
    #[error("line {line} is no JSON; expected one notice, a list of notices, or one per line")]
    NoJson {
        /// Counted from 1.
        line: usize,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The file has no notice in it.
    #[error("there is no notice in it")]
    Empty,
    /// The file has too many notices in it.
    #[error("{0} notices are too many; expected at most {MAX_NOTICES}")]
    TooMany(usize),
}

impl Script {
    /// A script that sends somebody's own notices: a JSON list of them, one per line, or a
    /// single one. Without overrides each is sent byte for byte as it stands there.
    ///
    /// # Errors
    /// When the text holds no notices, or an override's path leads nowhere.
    pub fn of_notices(
        name: &str,
        text: &str,
        purchase: &Purchase,
        overrides: &[Override],
    ) -> Result<Self, ScriptError> {
        let bodies = bodies(text)?;
        if bodies.is_empty() {
            return Err(ScriptError::Empty);
        }
        if bodies.len() > MAX_NOTICES {
            return Err(ScriptError::TooMany(bodies.len()));
        }
        let read = |body: &&str| serde_json::from_str(body).unwrap_or_default();
        let mut notices: Vec<Value> = bodies.iter().map(read).collect();
        for change in overrides {
            change.apply(&mut notices.iter_mut().collect::<Vec<_>>())?;
        }
        let letters = notices.iter().zip(&bodies).map(|(notice, body)| {
            if overrides.is_empty() {
                Letter::raw(Bytes::copy_from_slice(body.as_bytes()), notice)
            } else {
                Letter::new(notice)
            }
        });
        Ok(Self {
            name: name.to_owned(),
            purchase: purchase.clone().identified_by(overrides),
            steps: letters.map(Step::Send).collect(),
            on_mismatch: OnMismatch::GoOn,
        })
    }

    /// Whether somebody's own notices are sent, about which nothing else is known.
    #[must_use]
    pub fn is_of_notices(&self) -> bool {
        self.on_mismatch == OnMismatch::GoOn
    }
}

/// The bodies in a text, each exactly as it stands there.
fn bodies(text: &str) -> Result<Vec<&str>, ScriptError> {
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        return Ok(list.into_iter().map(RawValue::get).collect());
    }
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        return Ok(vec![text]);
    }
    let lines = text.lines().enumerate();
    let notices = lines.filter(|(_, line)| !line.trim().is_empty());
    notices
        .map(
            |(index, line)| match serde_json::from_str::<&RawValue>(line) {
                Ok(_) => Ok(line),
                Err(source) => Err(ScriptError::NoJson {
                    line: index + source.line().max(1),
                    source,
                }),
            },
        )
        .collect()
}

/// What a grant of this notice brings: every line but the headings of bundles, and nothing
/// for a test purchase.
pub(crate) fn gained(paid: &Value) -> Vec<(String, i64)> {
    let lines = paid["items"].as_array().into_iter().flatten();
    let lines = lines.filter(|line| line["type"] != "bundle" && !is_sandbox(paid));
    let mut gained: Vec<(String, i64)> = Vec::new();
    for line in lines {
        let sku = line["sku"].as_str().unwrap_or_default();
        let quantity = number(&line["quantity"]);
        match gained.iter_mut().find(|(known, _)| known == sku) {
            Some((_, sum)) => *sum += quantity,
            None => gained.push((sku.to_owned(), quantity)),
        }
    }
    gained.sort();
    gained
}

/// Whether a paid order is a test purchase.
pub(crate) fn is_sandbox(paid: &Value) -> bool {
    paid["order"]["mode"] == "sandbox" || number(&paid["billing"]["transaction"]["dry_run"]) != 0
}

/// A number, or a text that is one.
fn number(value: &Value) -> i64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value.as_i64().or(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn script(text: &str, overrides: &[&str]) -> Result<Script, ScriptError> {
        let overrides: Result<Vec<Override>, _> = overrides.iter().map(|it| it.parse()).collect();
        let purchase = Purchase::draw(44_056, "mira");
        Script::of_notices("file", text, &purchase, &overrides?)
    }

    fn sent(script: &Script) -> Vec<&[u8]> {
        let letters = script.steps.iter().map(|step| {
            let Step::Send(letter) = step else {
                panic!("{step:?}");
            };
            letter.body.as_ref()
        });
        letters.collect()
    }

    #[test]
    fn bodies_are_taken_byte_for_byte_from_every_form_of_file() {
        let (one, two) = (r#"{ "a":  1.50, "b\u0041":"\/" }"#, r#"{"b":2}"#);
        for text in [
            format!("[{one},\n  {two}]\n"),
            format!("\n{one}\n\n{two}\n"),
            format!("{one}\r\n{two}"),
        ] {
            let script = script(&text, &[]).unwrap();
            assert_eq!(sent(&script), [one.as_bytes(), two.as_bytes()], "{text:?}");
        }
        let pretty = "{\n  \"a\": 1\n}\n";
        assert_eq!(sent(&script(pretty, &[]).unwrap()), [pretty.as_bytes()]);
    }

    #[test]
    fn overrides_change_the_notices_of_a_file() {
        let text = r#"[{"user":{"id":"a"}},{"user":{"external_id":"a"}}]"#;
        let script = script(text, &["user.id=b"]).unwrap();
        let expected: [&[u8]; 2] = [
            br#"{"user":{"id":"b"}}"#,
            br#"{"user":{"external_id":"a"}}"#,
        ];
        assert_eq!(sent(&script), expected);
    }

    #[test]
    fn a_file_without_notices_is_an_error_with_its_line() {
        assert!(matches!(script("", &[]), Err(ScriptError::Empty)));
        assert!(matches!(script("[]", &[]), Err(ScriptError::Empty)));
        let broken = script("{\"a\":1}\n\n{\"a\":\n", &[]);
        assert!(
            matches!(broken, Err(ScriptError::NoJson { line: 3, .. })),
            "{broken:?}"
        );
    }

    #[test]
    fn headings_of_bundles_and_test_purchases_bring_nothing() {
        let purchase = Purchase::draw(1, "mira");
        let mut paid = purchase.bundle_paid();
        let content = [
            ("com.example.blade_frost".to_owned(), 1),
            ("com.example.crystals".to_owned(), 250),
        ];
        assert_eq!(gained(&paid), content);
        paid["billing"]["transaction"]["dry_run"] = json!("1");
        assert_eq!(gained(&paid), []);
        let mut paid = purchase.order_paid();
        paid["items"] = json!([{"sku": "a", "quantity": "2"}, {"sku": "a", "quantity": 1}]);
        assert_eq!(gained(&paid), [("a".to_owned(), 3)]);
    }
}
