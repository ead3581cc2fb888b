//! A Redis in memory. What its texts mean is judged by `claim`.

use std::collections::BTreeMap;

use claim::key::{claim, done, said, together};
use claim::{Claimed, Key, Mark};

use crate::chance::Chance;

#[derive(Clone, Debug, Default)]
pub(crate) struct Redis {
    texts: BTreeMap<Key, String>,
}

impl Redis {
    /// `SET NX GET` for every key of every mark.
    pub(crate) fn take(&mut self, marks: &[Mark], token: &str, epoch: &str) -> Vec<Claimed> {
        let claim = claim(token);
        let judge = |mark: &Mark| {
            let ask = |key: &Key| {
                let found = self.texts.get(key).cloned();
                if found.is_none() {
                    self.texts.insert(key.clone(), claim.clone());
                }
                said(found.as_deref(), &claim, &mark.fingerprint, epoch)
            };
            together(&mark.keys.iter().map(ask).collect::<Vec<_>>())
        };
        marks.iter().map(judge).collect()
    }

    pub(crate) fn mark(&mut self, marks: &[Mark], epoch: &str) {
        for mark in marks {
            for key in &mark.keys {
                let text = done(&mark.fingerprint, epoch);
                self.texts.insert(key.clone(), text);
            }
        }
    }

    /// Deletes those that still hold this token's claim.
    pub(crate) fn release(&mut self, marks: &[Mark], token: &str) {
        let claim = claim(token);
        for key in marks.iter().flat_map(|mark| &mark.keys) {
            if self.texts.get(key) == Some(&claim) {
                self.texts.remove(key);
            }
        }
    }

    /// A lease or a mark's time is over, or it was evicted.
    pub(crate) fn expire_one(&mut self, chance: &mut Chance) {
        if !self.texts.is_empty() {
            let nth = chance.below(self.texts.len());
            let key = self.texts.keys().nth(nth).cloned();
            key.and_then(|key| self.texts.remove(&key));
        }
    }

    pub(crate) fn flush(&mut self) {
        self.texts.clear();
    }
}
