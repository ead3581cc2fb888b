//! Which players exist: the ledger's table or the studio's HTTP service, and a memory of
//! those who were found that bridges an outage of either.
//!
//! The memory is only asked while the source cannot be: a player who was deleted is
//! unknown at once while the source answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledger::Ledger;
use moka::sync::Cache;
use order::{PlayerId, ProjectId};

use crate::answer::{Evidence, Question, Refusal, Served};
use crate::config::{self, WhenDown};
use crate::studio::{AskError, Route, Studio, Word, within};

/// The cache panics at lives of more than a thousand years.
const REMEMBER_LIMIT: Duration = Duration::from_hours(24 * 365);

/// The players of one project.
#[derive(Debug)]
pub(crate) struct Players {
    source: Source,
    deadline: Duration,
    remembered: Cache<PlayerId, ()>,
    when_down: WhenDown,
}

/// Who is asked.
#[derive(Debug)]
pub(crate) enum Source {
    /// The table that the game servers fill over the api.
    Ledger { ledger: Ledger, project: ProjectId },
    /// The studio's HTTP service.
    Studio(Arc<Studio>),
}

impl Players {
    pub(crate) fn new(source: Source, config: &config::Players) -> Self {
        let remembered = Cache::builder()
            .max_capacity(config.remember_max)
            .time_to_live(config.remember_for.min(REMEMBER_LIMIT))
            .build();
        Self {
            source,
            deadline: config.deadline,
            remembered,
            when_down: config.when_down,
        }
    }

    /// Answers whether the player exists whom `body` names.
    pub(crate) async fn answer(
        &self,
        question: Question,
        player: Option<&PlayerId>,
        body: &Bytes,
    ) -> Result<Served, Refusal> {
        match self.ask(question, player, body).await {
            Ok(Word::Known) => {
                self.remember(player);
                Ok(Served::Found(question, Evidence::Asked))
            }
            Ok(Word::Content(content)) => {
                self.remember(player);
                Ok(Served::Told(question, content))
            }
            Ok(Word::Unknown) => {
                if let Some(player) = player {
                    self.remembered.invalidate(player);
                }
                Err(Refusal::NoSuchPlayer(question))
            }
            Err(error) => self.unasked(question, player, error),
        }
    }

    fn remember(&self, player: Option<&PlayerId>) {
        if let Some(player) = player {
            self.remembered.insert(player.clone(), ());
        }
    }

    /// Answers while the source cannot be asked.
    fn unasked(
        &self,
        question: Question,
        player: Option<&PlayerId>,
        error: AskError,
    ) -> Result<Served, Refusal> {
        let remembered = player.is_some_and(|player| self.remembered.contains_key(player));
        match (remembered, player, self.when_down) {
            (true, ..) => Ok(Served::Found(question, Evidence::Remembered)),
            (false, Some(_), WhenDown::Allow) => {
                tracing::warn!(
                    error = &error as &(dyn std::error::Error + 'static),
                    "A player is assumed to exist, for nobody can be asked"
                );
                Ok(Served::Found(question, Evidence::Assumed))
            }
            (false, None, WhenDown::Allow) | (false, _, WhenDown::Unavailable) => {
                Err(Refusal::NobodyAnswers(question, error))
            }
        }
    }

    async fn ask(
        &self,
        question: Question,
        player: Option<&PlayerId>,
        body: &Bytes,
    ) -> Result<Word, AskError> {
        match (&self.source, player) {
            (Source::Ledger { ledger, project }, Some(player)) => {
                let registered = async {
                    let registered = ledger.is_registered(*project, player).await;
                    registered.map_err(AskError::Ledger)
                };
                Ok(if within(self.deadline, registered).await? {
                    Word::Known
                } else {
                    Word::Unknown
                })
            }
            (Source::Studio(studio), Some(_)) => {
                studio
                    .ask(Route::Players, body.clone(), self.deadline)
                    .await
            }
            // A search may name nobody but a public id, which only the studio can know.
            (Source::Studio(studio), None) if question == Question::UserSearch => {
                studio
                    .ask(Route::Players, body.clone(), self.deadline)
                    .await
            }
            (Source::Ledger { .. } | Source::Studio(_), None) => Ok(Word::Unknown),
        }
    }
}
