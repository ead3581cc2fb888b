//! One shopper: what Xsolla sends about the purchase, each notice only when the one before it
//! was taken.

use std::sync::Arc;
use std::time::Duration;

use super::journal::{Answer, Follows, Kind, Notice, Says};
use super::life::{Life, Sending};
use super::live::Counted;
use super::player;
use super::post::{Letter, send};
use super::rules::{self, Next};
use super::stage::{REGISTRATIONS, Stage};

/// How the player follows it, as far as there is a place: an SDK that cannot connect polls.
pub(crate) fn choose_follower(stage: &Stage, life: &mut Life) {
    let follows = &mut life.shopper.follows;
    if stage.target.client.is_none() {
        *follows = Follows::Nothing;
    } else if *follows == Follows::Socket {
        let sockets = &stage.live.counts().sockets;
        let room = Counted::one_below(sockets, stage.plan.bounds.sockets);
        if room.is_none() {
            *follows = Follows::Polling;
        }
    }
}

/// Sends everything about the purchase of this number.
pub(crate) async fn shop(stage: &Arc<Stage>, number: u32, mut life: Life) {
    let expectation = player::follow(stage, number, &life);
    let mut chain = Chain {
        stage,
        number,
        due: life.shopper.arrived,
        late: Vec::new(),
        tried: vec![0; life.shopper.notices.len()],
        may_be_final: false,
    };
    if life.shopper.registered {
        chain.register(&life).await;
    }
    let went = chain.tell_all(&mut life).await;
    if !chain.may_be_final {
        // Nothing will come that a client stops at.
        expectation.cancel();
    }
    if went.is_some() {
        chain.send_late(&life).await;
    }
}

struct Chain<'a> {
    stage: &'a Stage,
    number: u32,
    /// When what is next should leave.
    due: Duration,
    /// Copies for later, by place.
    late: Vec<(Duration, usize)>,
    /// Attempts so far, by place.
    tried: Vec<u8>,
    /// A client may hear `done` or `canceled`.
    may_be_final: bool,
}

/// `None`: the rehearsal was stopped.
type Went = Option<()>;

impl Chain<'_> {
    /// Registers the order as a game server does that has just created it. The purchase goes
    /// on from there, whatever was answered.
    async fn register(&mut self, life: &Life) {
        let purchase = &life.shopper.purchase;
        let mut is_known = false;
        for _ in 0..REGISTRATIONS {
            let asked = self
                .stage
                .server
                .register_order(&self.stage.others, purchase);
            is_known = asked.await.is_ok();
            if is_known {
                break;
            }
        }
        self.stage.live.registered(self.number, is_known);
        self.due = self.stage.live.now();
    }

    async fn tell_all(&mut self, life: &mut Life) -> Went {
        let mut place = 0;
        while let Some(notice) = life.shopper.notices.get(place).copied() {
            let sending = life.sendings[place];
            self.rest(self.stage.plan.scaled(sending.rests)).await?;
            let next = self.tell(life, place, notice, sending).await?;
            // What is not Xsolla's does not keep Xsolla from going on.
            let is_hers = matches!(notice.kind, Kind::Genuine | Kind::Odd);
            match next {
                Next::Taken => self.taken(life, place, sending).await,
                Next::Again(_) | Next::Refused | Next::GivenUp if !is_hers => {}
                Next::Again(_) | Next::Refused | Next::GivenUp => {
                    match self.gives_back(life, notice) {
                        Some(first) => {
                            place = first;
                            continue;
                        }
                        None => break,
                    }
                }
            }
            place += 1;
        }
        Some(())
    }

    /// Sends a notice until Xsolla sends it no more.
    async fn tell(
        &mut self,
        life: &Life,
        place: usize,
        notice: Notice,
        sending: Sending,
    ) -> Option<Next> {
        let letter = Letter::new(self.stage, life.body(place, notice), notice.kind);
        let mut copies = sending.copies;
        loop {
            let answers = self.post(&letter, place, copies).await;
            copies = 1;
            let attempt = self.tried[place];
            let next = best(notice.says, attempt, &answers);
            match next {
                Next::Again(gap) if notice.kind != Kind::Forged => {
                    self.due = self.stage.live.now();
                    self.rest(self.stage.plan.scaled(gap)).await?;
                }
                Next::Again(_) | Next::Taken | Next::Refused | Next::GivenUp => {
                    self.due = self.stage.live.now();
                    return Some(next);
                }
            }
        }
    }

    /// Posts copies at one instant, as one attempt.
    async fn post(&mut self, letter: &Letter, place: usize, copies: u8) -> Vec<Answer> {
        self.tried[place] = self.tried[place].saturating_add(1);
        let stamp = super::post::Stamp {
            shopper: self.number,
            notice: u8::try_from(place).unwrap_or(u8::MAX),
            attempt: self.tried[place],
            due: self.due,
        };
        send(self.stage, letter, stamp, copies).await
    }

    async fn taken(&mut self, life: &Life, place: usize, sending: Sending) {
        let notice = life.shopper.notices[place];
        if matches!(notice.kind, Kind::Genuine | Kind::Odd) {
            self.may_be_final |= match notice.says {
                Says::OrderPaid { .. } => !life.shopper.sandbox,
                Says::OrderCanceled { .. } => true,
                Says::KnownPlayer
                | Says::UnknownPlayer
                | Says::Payment { .. }
                | Says::Refund
                | Says::PartialRefund
                | Says::Dispute => false,
            };
        }
        if let Some(later) = sending.late {
            self.late
                .push((self.due + self.stage.plan.scaled(later), place));
        }
        if sending.repeats {
            let letter = Letter::new(self.stage, life.body(place, notice), notice.kind);
            self.post(&letter, place, 1).await;
            self.due = self.stage.live.now();
        }
    }

    /// What comes next where an order that is refused for good is paid back, as some accounts
    /// have it. What was planned after it does not happen.
    fn gives_back(&mut self, life: &mut Life, refused: Notice) -> Option<usize> {
        let Says::OrderPaid { combined } = refused.says else {
            return None;
        };
        if !self.stage.plan.auto_refund || life.is_free {
            return None;
        }
        let first = life.shopper.notices.len();
        let refund = (!combined).then_some(Says::Refund);
        for says in refund.into_iter().chain([Says::OrderCanceled { combined }]) {
            let notice = Notice {
                says,
                kind: Kind::Genuine,
            };
            self.stage.live.also_told(self.number, notice);
            life.add(notice, Sending::once(Duration::from_secs(1)));
            self.tried.push(0);
        }
        Some(first)
    }

    /// What nobody awaits any more.
    async fn send_late(&mut self, life: &Life) -> Went {
        self.late.sort_unstable();
        for (at, place) in std::mem::take(&mut self.late) {
            self.due = at.max(self.due);
            self.rest(Duration::ZERO).await?;
            let notice = life.shopper.notices[place];
            let letter = Letter::new(self.stage, life.body(place, notice), notice.kind);
            self.post(&letter, place, 1).await;
            self.due = self.stage.live.now();
        }
        Some(())
    }

    async fn rest(&mut self, time: Duration) -> Went {
        self.due += time;
        let until = tokio::time::sleep_until(self.stage.live.instant(self.due));
        self.stage.stop.run_until_cancelled(until).await
    }
}

/// What the answers to copies of one attempt come to: one that was taken is enough.
fn best(says: Says, attempt: u8, answers: &[Answer]) -> Next {
    let each = answers
        .iter()
        .map(|answer| rules::after(says, attempt, *answer));
    let rank = |next: &Next| match next {
        Next::Taken => 0,
        Next::Refused => 1,
        Next::Again(_) => 2,
        Next::GivenUp => 3,
    };
    each.min_by_key(rank).unwrap_or(Next::GivenUp)
}
