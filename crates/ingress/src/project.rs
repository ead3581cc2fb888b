//! One configured project: its secrets and who answers its questions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledger::Ledger;
use order::{PlayerId, ProjectId};

use crate::Network;
use crate::answer::{Question, Refusal, Served};
use crate::config::{self, PlayersSource};
use crate::keyring::Keyring;
use crate::players::{Players, Source};
use crate::quarantine::Quarantine;
use crate::run::StartError;
use crate::studio::{AskError, HttpClient, Route, Studio, Word};

/// One project.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) id: ProjectId,
    pub(crate) keyring: Arc<Keyring>,
    /// Where bodies go that no secret fits, if anywhere.
    pub(crate) quarantine: Option<Arc<Quarantine>>,
    /// Whether the unsigned Web Shop check is answered at all.
    pub(crate) has_web_shop: bool,
    web_shop_sources: Vec<Network>,
    players: Players,
    studio: Option<(Arc<Studio>, Duration)>,
}

impl Project {
    pub(crate) fn new(
        id: ProjectId,
        config: config::Project,
        ledger: &Ledger,
        client: &HttpClient,
    ) -> Result<Self, StartError> {
        let keyring = Keyring::new(config.webhook_secrets, config.order_webhook_secrets);
        if keyring.is_empty() {
            return Err(StartError::NoSecret { project: id });
        }
        let quarantine = Quarantine::new(id, config.quarantine, ledger).map_err(|source| {
            StartError::QuarantineKey {
                project: id,
                source,
            }
        })?;
        let studio = config
            .studio
            .map(|studio| {
                let deadline = studio.deadline;
                Studio::new(client.clone(), studio).map(|studio| (Arc::new(studio), deadline))
            })
            .transpose()
            .map_err(|source| StartError::StudioUrl {
                project: id,
                source,
            })?;
        let source = match (config.players.source, &studio) {
            (PlayersSource::Ledger, _) => Source::Ledger {
                ledger: ledger.clone(),
                project: id,
            },
            (PlayersSource::Studio, Some((studio, _))) => Source::Studio(Arc::clone(studio)),
            (PlayersSource::Studio, None) => return Err(StartError::NoStudio { project: id }),
        };
        Ok(Self {
            id,
            keyring: Arc::new(keyring),
            quarantine: quarantine.map(Arc::new),
            has_web_shop: config.web_shop.enabled,
            web_shop_sources: config.web_shop.sources,
            players: Players::new(source, &config.players),
            studio,
        })
    }

    /// Whether what no secret fits may be kept instead of refused.
    pub(crate) fn takes_mismatched(&self) -> bool {
        self.quarantine
            .as_ref()
            .is_some_and(|quarantine| quarantine.is_open())
    }

    /// What bodies in quarantine are verified with.
    pub(crate) fn quarantined(&self) -> Option<(Arc<Keyring>, Arc<Quarantine>)> {
        let quarantine = self.quarantine.clone()?;
        Some((Arc::clone(&self.keyring), quarantine))
    }

    /// Whether an unsigned Web Shop check may come from there.
    pub(crate) fn admits(&self, sender: IpAddr) -> bool {
        self.web_shop_sources
            .iter()
            .any(|network| network.contains(sender))
    }

    /// Answers a question.
    pub(crate) async fn answer(
        &self,
        question: Question,
        player: Option<&PlayerId>,
        body: Bytes,
    ) -> Result<Served, Refusal> {
        let route = match question {
            Question::UserValidation | Question::UserSearch | Question::WebShopCheck => {
                return self.players.answer(question, player, &body).await;
            }
            Question::Catalogue => Route::Catalogue,
            Question::Pincode => Route::Pincode,
        };
        let (studio, deadline) = self.studio.as_ref().ok_or(Refusal::NobodyToAsk(question))?;
        match studio.ask(route, body, *deadline).await {
            Ok(Word::Content(content)) => Ok(Served::Told(question, content)),
            Ok(Word::Unknown) => Err(Refusal::NoSuchPlayer(question)),
            Ok(Word::Known) => Err(Refusal::NobodyAnswers(question, AskError::Nothing)),
            Err(error) => Err(Refusal::NobodyAnswers(question, error)),
        }
    }
}
