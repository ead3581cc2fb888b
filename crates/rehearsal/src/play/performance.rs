//! Plays a script, step by step.

use std::time::{Duration, Instant};

use order::Status;

use super::look_at;
use super::report::{Mismatch, Report, Verdict};
use super::script::{Letter, OnMismatch, Script, Step};
use crate::game_client::{ClientError, Connection, poll};
use crate::game_server::{ApiError, Held};
use crate::http::{Answer, Http, HttpError};
use crate::sender;
use crate::target::Target;

/// How long a client listens to be sure that nothing more comes.
const QUIET: Duration = Duration::from_millis(500);
/// Between two looks at the api.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The times of a play.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long an answer, a status or a booking may take.
    pub limit: Duration,
    /// Seconds since 1970, for the players' tokens.
    pub unix_now: i64,
}

/// Plays the script and tells of each step as it ends. Returns whether every step ended as
/// expected. A scenario stops at the first that did not.
///
/// # Errors
/// When nothing can be sent at all: `https` without root certificates.
pub async fn play(
    script: &Script,
    target: &Target,
    pace: Pace,
    mut tell: impl FnMut(&Report),
) -> Result<bool, HttpError> {
    let mut stage = Stage::new(script, target, pace)?;
    let mut all_met = true;
    for step in &script.steps {
        let report = stage.report(step).await;
        tell(&report);
        all_met &= report.is_met();
        if !report.is_met() && script.on_mismatch == OnMismatch::Stop {
            break;
        }
    }
    if let Some(client) = stage.client {
        client.close().await;
    }
    Ok(all_met)
}

/// How a step ended: what came of it, or what was wrong.
type Ended = Result<String, Mismatch>;

struct Stage<'a> {
    script: &'a Script,
    target: &'a Target,
    pace: Pace,
    http: Http,
    client: Option<Connection>,
    registered: bool,
    held_before: Held,
    /// When that was sent of which a status tells.
    caused_at: Option<Instant>,
    answers: Vec<u16>,
}

impl<'a> Stage<'a> {
    fn new(script: &'a Script, target: &'a Target, pace: Pace) -> Result<Self, HttpError> {
        let urls = [
            Some(target.webhook.url.as_str()),
            target.client.as_ref().map(|it| it.url.as_str()),
            target.server.as_ref().map(|it| it.url.as_str()),
        ];
        Ok(Self {
            script,
            target,
            pace,
            http: Http::new(urls.into_iter().flatten(), pace.limit)?,
            client: None,
            registered: false,
            held_before: Held::new(),
            caused_at: None,
            answers: Vec::new(),
        })
    }

    async fn report(&mut self, step: &Step) -> Report {
        let began = Instant::now();
        self.answers.clear();
        let (name, what) = words(step);
        let ended = self.take(step).await;
        let since = match (step, self.caused_at) {
            (Step::HearNew | Step::Hear(_), Some(caused_at)) => caused_at,
            _ => began,
        };
        let took = since.elapsed();
        let (result, verdict) = match ended {
            Ok(result) => (result, Verdict::Met),
            Err(mismatch) => (String::new(), Verdict::Unmet(mismatch)),
        };
        Report {
            step: name,
            what,
            result,
            took,
            answers: self.answers.clone(),
            verdict,
        }
    }

    async fn take(&mut self, step: &Step) -> Ended {
        match step {
            Step::RegisterPlayer => self.register_player().await,
            Step::ReadInventory => self.read_inventory().await,
            Step::Connect => self.connect().await,
            Step::RegisterOrder => self.register_order().await,
            Step::HearNew => self.hear(Status::New).await,
            Step::Send(letter) => self.send(letter).await,
            Step::Hear(status) => self.hear(*status).await,
            Step::Quiet => self.stay_quiet().await,
            Step::Booked(kind) => self.see_booked(kind).await,
            Step::History(statuses) => self.read_history(statuses).await,
            Step::Poll(status) => self.poll(*status).await,
            Step::Gained(gained) => self.see_gained(gained).await,
        }
    }

    async fn send(&mut self, letter: &Letter) -> Ended {
        self.caused_at = Some(Instant::now());
        let answers = sender::send(&self.http, &self.target.webhook, letter).await;
        let answers = answers.map_err(|error| Mismatch {
            expected: letter.expected.words(),
            look_at: look_at::silence(&error),
            came: error.to_string(),
        })?;
        let statuses = answers.iter().map(|answer| answer.status.as_u16());
        self.answers.extend(statuses);
        match answers.iter().find(|it| !letter.expected.is_met_by(it)) {
            Some(other) => Err(Mismatch {
                expected: letter.expected.words(),
                came: other.summary(),
                look_at: look_at::answer(other, letter, &self.script.purchase),
            }),
            None => Ok(answers
                .iter()
                .map(Answer::summary)
                .collect::<Vec<_>>()
                .join(", ")),
        }
    }

    async fn register_player(&self) -> Ended {
        let Some(server) = &self.target.server else {
            return Ok(String::new());
        };
        let purchase = &self.script.purchase;
        let registered = server.register_player(&self.http, purchase).await;
        registered.map_err(|error| api_mismatch("200 or 201", &error))?;
        Ok(purchase.player.clone())
    }

    async fn register_order(&mut self) -> Ended {
        let Some(server) = &self.target.server else {
            return Ok(String::new());
        };
        self.caused_at = Some(Instant::now());
        let purchase = &self.script.purchase;
        let registered = server.register_order(&self.http, purchase).await;
        registered.map_err(|error| api_mismatch("200 or 201", &error))?;
        self.registered = true;
        Ok(format!("order {}", purchase.order))
    }

    async fn read_inventory(&mut self) -> Ended {
        self.held_before = self.held().await?;
        Ok(in_words(&self.held_before))
    }

    async fn held(&self) -> Result<Held, Mismatch> {
        let Some(server) = &self.target.server else {
            return Ok(Held::new());
        };
        let held = server.inventory(&self.http, &self.script.purchase).await;
        held.map_err(|error| api_mismatch("200 and what the player holds", &error))
    }

    async fn connect(&mut self) -> Ended {
        let Some(at) = &self.target.client else {
            return Ok(String::new());
        };
        let (purchase, pace) = (&self.script.purchase, self.pace);
        let open = Connection::open(&self.http, at, purchase, pace.unix_now, pace.limit).await;
        self.client = Some(open.map_err(|error| client_mismatch("a subscription", &error))?);
        Ok("subscribed to its own orders".to_owned())
    }

    async fn hear(&mut self, status: Status) -> Ended {
        let look_at = look_at::status(&self.script.purchase);
        let Some(client) = &mut self.client else {
            return Ok(String::new());
        };
        let came = client.status(self.pace.limit).await;
        let came = came.map_err(|error| {
            let mut mismatch = client_mismatch(status.as_str(), &error);
            if matches!(error, ClientError::Silent(_)) {
                mismatch.look_at.clone_from(&look_at);
            }
            mismatch
        })?;
        if came == status.as_str() {
            return Ok(came);
        }
        Err(Mismatch {
            expected: status.as_str().to_owned(),
            came,
            look_at,
        })
    }

    async fn stay_quiet(&mut self) -> Ended {
        let Some(client) = &mut self.client else {
            tokio::time::sleep(QUIET).await;
            return Ok("half a second".to_owned());
        };
        match client.status(QUIET).await {
            Err(ClientError::Silent(_)) => Ok("half a second".to_owned()),
            Err(error) => Err(client_mismatch("no further status", &error)),
            Ok(status) => Err(Mismatch {
                expected: "no further status".to_owned(),
                came: status,
                look_at: look_at::status(&self.script.purchase),
            }),
        }
    }

    async fn see_booked(&self, kind: &str) -> Ended {
        let Some(server) = &self.target.server else {
            return Ok(String::new());
        };
        let purchase = &self.script.purchase;
        let deadline = Instant::now() + self.pace.limit;
        loop {
            let ended = server.ended(&self.http, purchase, kind).await;
            let ended = ended.map_err(|error| api_mismatch("how it ended", &error))?;
            let words = ended.map(|ended| match ended.reason {
                Some(reason) => (
                    ended.outcome.clone(),
                    format!("{}: {reason}", ended.outcome),
                ),
                None => (ended.outcome.clone(), ended.outcome),
            });
            match words {
                Some((outcome, words)) if outcome != "parked" => return Ok(words),
                None if Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN).await,
                parked_or_late => {
                    let came = parked_or_late.map(|(_, words)| words);
                    return Err(Mismatch {
                        expected: "booked, or nothing to do".to_owned(),
                        came: came.unwrap_or_else(|| "not taken from the queue yet".to_owned()),
                        look_at: look_at::status(purchase),
                    });
                }
            }
        }
    }

    async fn read_history(&mut self, statuses: &[Status]) -> Ended {
        let new = self.registered.then_some(Status::New);
        let expected: Vec<_> = new.iter().chain(statuses).map(|it| it.as_str()).collect();
        let expected = expected.join(" → ");
        let Some(client) = &mut self.client else {
            return Ok(String::new());
        };
        let came = client.history(self.pace.limit).await;
        let came = came.map_err(|error| client_mismatch(&expected, &error))?;
        let came = came.join(" → ");
        if came == expected {
            return Ok(came);
        }
        Err(Mismatch {
            expected,
            came,
            look_at: look_at::status(&self.script.purchase),
        })
    }

    async fn poll(&self, status: Status) -> Ended {
        let Some(at) = &self.target.client else {
            return Ok(String::new());
        };
        let purchase = &self.script.purchase;
        let came = poll(&self.http, at, purchase, self.pace.unix_now).await;
        let came = came.map_err(|error| client_mismatch(status.as_str(), &error))?;
        if came == status.as_str() {
            return Ok(came);
        }
        Err(Mismatch {
            expected: status.as_str().to_owned(),
            came,
            look_at: look_at::status(purchase),
        })
    }

    /// What the player holds now. The booking has been seen before, and it moved the items.
    async fn see_gained(&self, gained: &[(String, i64)]) -> Ended {
        let mut expected = self.held_before.clone();
        for (sku, quantity) in gained {
            *expected.entry(sku.clone()).or_default() += quantity;
        }
        let mut held = self.held().await?;
        for held in [&mut expected, &mut held] {
            held.retain(|_, quantity| *quantity != 0);
        }
        if held == expected {
            return Ok(in_words(&held));
        }
        Err(Mismatch {
            expected: in_words(&expected),
            came: in_words(&held),
            look_at: look_at::inventory(&self.script.purchase),
        })
    }
}

fn in_words(held: &Held) -> String {
    if held.is_empty() {
        return "nothing".to_owned();
    }
    let lines = held
        .iter()
        .map(|(sku, quantity)| format!("{quantity} × {sku}"));
    lines.collect::<Vec<_>>().join(", ")
}

fn api_mismatch(expected: &str, error: &ApiError) -> Mismatch {
    Mismatch {
        expected: expected.to_owned(),
        came: error.to_string(),
        look_at: look_at::api(error),
    }
}

fn client_mismatch(expected: &str, error: &ClientError) -> Mismatch {
    Mismatch {
        expected: expected.to_owned(),
        came: error.to_string(),
        look_at: look_at::client(error),
    }
}

/// A step's name for programs, and who does what for people.
fn words(step: &Step) -> (&'static str, String) {
    let (name, what) = match step {
        Step::RegisterPlayer => ("register_player", "game server registers the player"),
        Step::ReadInventory | Step::Gained(_) => ("inventory", "game server reads the inventory"),
        Step::Connect => ("connect", "game client connects over WebSocket"),
        Step::RegisterOrder => ("register_order", "game server registers the order"),
        Step::HearNew | Step::Hear(_) => ("hear", "game client hears"),
        Step::Quiet => ("quiet", "nothing more comes"),
        Step::History(_) => ("history", "game client reads its history"),
        Step::Poll(_) => ("poll", "game client polls the order"),
        Step::Booked(kind) => return ("booked", format!("ledger: how {kind} ended")),
        Step::Send(letter) => return ("send", sending(letter)),
    };
    (name, what.to_owned())
}

fn sending(letter: &Letter) -> String {
    let verb = if letter.kind == "user_validation" {
        "asks"
    } else {
        "tells"
    };
    let copies = match letter.copies {
        1 => String::new(),
        copies => format!(", {copies} at once"),
    };
    let forged = if letter.forged {
        ", signed wrongly"
    } else {
        ""
    };
    format!("Xsolla {verb}: {}{copies}{forged}", letter.kind)
}
