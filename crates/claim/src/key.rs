//! What stands in Redis: keys, claims and marks as texts.

use order::{Kind, ProjectId, Reference};

/// What makes two notices the same one, as a Redis key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key of a notice.
    #[must_use]
    pub fn new(project: ProjectId, kind: &Kind, reference: &Reference) -> Self {
        Self(format!("d:{project}:{kind}:{reference}"))
    }

    /// As in Redis, without the configured prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One notice as it is claimed and marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its own key; for a real-money order the transaction's as well.
    pub keys: Vec<Key>,
    /// Digest of everything that must be equal in a repeat.
    pub fingerprint: [u8; 32],
}

/// What is known of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody else works on it, or nobody can tell. Book it.
    Mine,
    /// Every key says that this very notice is booked, in this epoch of the ledger.
    Done,
    /// Somebody else works on it, or a mark says something else. Book it all the same: its
    /// holder may have died, and the ledger decides.
    Busy,
}

/// What one key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nobody has claimed it, or we have.
    Mine,
    /// A mark of this epoch with this fingerprint.
    Done,
    /// Somebody else's claim, or a mark of another epoch.
    Busy,
    /// A mark of this epoch with another fingerprint.
    Conflict,
}

/// The text of a claim. Never begins like a mark.
#[must_use]
pub fn claim(token: &str) -> String {
    format!("t:{token}")
}

/// The text of a mark.
#[must_use]
pub fn done(fingerprint: &[u8; 32], epoch: &str) -> String {
    format!("done:{}:{epoch}", hex::encode(fingerprint))
}

/// Reads what stood at a key before we claimed it.
#[must_use]
pub fn said(found: Option<&str>, claim: &str, fingerprint: &[u8; 32], epoch: &str) -> Said {
    let Some(found) = found else {
        return Said::Mine;
    };
    // Our own claim: an earlier reply was lost.
    if found == claim {
        return Said::Mine;
    }
    let Some((digest, of_epoch)) = found
        .strip_prefix("done:")
        .and_then(|mark| mark.split_once(':'))
    else {
        return Said::Busy;
    };
    match (of_epoch == epoch, digest == hex::encode(fingerprint)) {
        (true, true) => Said::Done,
        (true, false) => Said::Conflict,
        (false, _) => Said::Busy,
    }
}

/// What all keys of one notice say together.
#[must_use]
pub fn together(said: &[Said]) -> Claimed {
    if said.iter().all(|said| *said == Said::Mine) {
        Claimed::Mine
    } else if said.iter().all(|said| *said == Said::Done) {
        Claimed::Done
    } else {
        Claimed::Busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: [u8; 32] = [7; 32];

    #[test]
    fn only_an_equal_mark_of_this_epoch_means_done() {
        let ours = claim("w1:4");
        let say = |found: Option<&str>| said(found, &ours, &PRINT, "e1");
        assert_eq!(say(None), Said::Mine);
        assert_eq!(say(Some("t:w1:4")), Said::Mine);
        assert_eq!(say(Some("t:w2:4")), Said::Busy);
        assert_eq!(say(Some(&done(&PRINT, "e1"))), Said::Done);
        assert_eq!(say(Some(&done(&PRINT, "e2"))), Said::Busy);
        assert_eq!(say(Some(&done(&[8; 32], "e1"))), Said::Conflict);
        assert_eq!(say(Some(&done(&[8; 32], "e2"))), Said::Busy);
        for junk in ["", "done:", "done", "done:x", "x"] {
            assert!(matches!(say(Some(junk)), Said::Busy), "{junk:?}");
        }
    }

    /// Every pair of what two keys can say.
    #[test]
    fn a_notice_is_done_only_if_both_its_keys_say_so() {
        let all = [Said::Mine, Said::Done, Said::Busy, Said::Conflict];
        for one in all {
            for other in all {
                let expected = match (one, other) {
                    (Said::Mine, Said::Mine) => Claimed::Mine,
                    (Said::Done, Said::Done) => Claimed::Done,
                    (Said::Mine | Said::Done | Said::Busy | Said::Conflict, _) => Claimed::Busy,
                };
                assert_eq!(together(&[one, other]), expected, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_token_cannot_pass_for_a_mark() {
        let mark = done(&PRINT, "e1");
        assert_eq!(said(Some(&claim(&mark)), "t:x", &PRINT, "e1"), Said::Busy);
    }
}
