//! The Web Shop's check of an entered id, which has neither a type nor a signature.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// All that a check holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    #[serde(rename = "settings")]
    _settings: Option<IgnoredAny>,
    #[serde(rename = "user")]
    _user: IgnoredAny,
}

/// Whether a body is a check and cannot be anything else.
///
/// Strict on purpose: a check may be answered 404, which no notice ever may.
pub(crate) fn is_check(body: &[u8]) -> bool {
    serde_json::from_slice::<Check>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use xsolla::fixtures;

    use super::*;

    #[test]
    fn no_other_fixture_is_taken_for_a_check() {
        for fixture in fixtures::ALL {
            let expected = fixture.name == "web_shop_user_validation";
            assert_eq!(is_check(fixture.body), expected, "{}", fixture.name);
        }
        for other in [&b""[..], b"{}", b"[]", br#"{"user":{},"transaction":{}}"#] {
            assert!(!is_check(other));
        }
    }
}
