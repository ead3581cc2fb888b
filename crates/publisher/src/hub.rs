//! Who is connected, by player, and what they were told.
//!
//! Invariant: every member of an audience has been told of the offset in `told`, or joined
//! so late that its own first read of the ledger shows it. So a comparison of positions may
//! pass over an audience whose `told` is the ledger's top.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use centrifuge::Close;
use order::{PlayerId, ProjectId};
use task::Hints;

use crate::mailbox::Mailbox;
use crate::publication::{self, Booked};
use crate::spans::Push;

/// The audiences of one process.
#[derive(Debug)]
pub struct Hub {
    players: Mutex<HashMap<ProjectId, HashMap<PlayerId, Audience>>>,
    members_max: usize,
}

#[derive(Debug, Default)]
struct Audience {
    told: Option<Told>,
    /// Oldest first.
    members: Vec<Arc<Mailbox>>,
}

/// A place in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) epoch: Arc<str>,
    pub(crate) offset: u64,
}

/// A connection's place in the hub; dropping it leaves.
#[derive(Debug)]
pub struct Seat {
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    pub(crate) project: ProjectId,
    pub(crate) player: PlayerId,
}

/// A player with somebody connected, and what that audience had been told at that time.
#[derive(Clone, Debug)]
pub struct Position {
    /// The project.
    pub project: ProjectId,
    /// The player.
    pub player: PlayerId,
    told: Option<Told>,
}

impl Hub {
    /// Nobody is connected. A player may have `members_max` connections.
    #[must_use]
    pub fn new(members_max: usize) -> Arc<Self> {
        Arc::new(Self {
            players: Mutex::default(),
            members_max,
        })
    }

    /// Whatever is committed for the player from now on reaches `mailbox`.
    ///
    /// Where the player has too many connections the oldest is closed, for good: one that
    /// came back would only drive out the next, round and round.
    #[must_use]
    pub fn join(
        self: &Arc<Self>,
        project: ProjectId,
        player: PlayerId,
        mailbox: Arc<Mailbox>,
    ) -> Seat {
        let mut players = self.lock();
        let audience = players
            .entry(project)
            .or_default()
            .entry(player.clone())
            .or_default();
        audience.members.push(Arc::clone(&mailbox));
        while audience.members.len() > self.members_max {
            audience.members.remove(0).close(Close::ConnectionLimit);
        }
        drop(players);
        Seat {
            hub: Arc::clone(self),
            mailbox,
            project,
            player,
        }
    }

    /// Hands rows to those they concern. Returns how many had somebody to be told.
    pub fn tell(&self, hints: &Hints) -> usize {
        let epoch = Arc::<str>::from(hints.epoch.as_str());
        let mut concerned = 0;
        let mut players = self.lock();
        for (index, hint) in hints.rows.iter().enumerate() {
            let audience = players
                .get_mut(&hint.project)
                .and_then(|players| players.get_mut(&hint.player));
            let (Some(audience), Some(row)) = (audience, publication::of_hint(hint)) else {
                continue;
            };
            concerned += 1;
            audience.told = Some(Told {
                offset: audience.told_in(&epoch).unwrap_or(0).max(row.offset),
                epoch: Arc::clone(&epoch),
            });
            let push = Push::of(hints, index, hint);
            let booked = hints.at.map(|at| Booked {
                status: hint.status,
                at,
            });
            for member in &audience.members {
                member.put_row(&epoch, &row, push.as_ref(), booked);
            }
        }
        concerned
    }

    /// Everybody who has somebody connected.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        let players = self.lock();
        let of_project = |(project, players): (&ProjectId, &HashMap<PlayerId, Audience>)| {
            let project = *project;
            let position = move |(player, audience): (&PlayerId, &Audience)| Position {
                project,
                player: player.clone(),
                told: audience.told.clone(),
            };
            players.iter().map(position).collect::<Vec<_>>()
        };
        players.iter().flat_map(of_project).collect()
    }

    /// Tells the audiences whose position differs from the top the ledger had after
    /// `positions` were taken. Returns how many had missed rows.
    pub fn compare(&self, positions: &[Position], epoch: &str, tops: &[u64]) -> usize {
        let epoch = Arc::<str>::from(epoch);
        let mut behind = 0;
        let mut players = self.lock();
        for (position, top) in positions.iter().zip(tops) {
            let audience = players
                .get_mut(&position.project)
                .and_then(|players| players.get_mut(&position.player));
            let Some(audience) = audience else {
                continue;
            };
            let now = audience.told_in(&epoch);
            let before = position
                .told
                .as_ref()
                .filter(|told| told.epoch == epoch)
                .map(|told| told.offset);
            // A hint may have come while the ledger was asked; then the answer is old.
            let overtaken = before.is_none_or(|before| before <= *top) && now > Some(*top);
            if now == Some(*top) || overtaken {
                continue;
            }
            behind += usize::from(now.is_some_and(|now| now < *top));
            audience.told = Some(Told {
                epoch: Arc::clone(&epoch),
                offset: *top,
            });
            for member in &audience.members {
                member.put_top(&epoch, *top);
            }
        }
        behind
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, HashMap<PlayerId, Audience>>> {
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audience {
    /// How far it was told of in this epoch.
    fn told_in(&self, epoch: &Arc<str>) -> Option<u64> {
        let told = self.told.as_ref()?;
        (told.epoch == *epoch).then_some(told.offset)
    }
}

impl Seat {
    /// This connection has read the ledger since it joined and found it there.
    ///
    /// Counts only for an audience of one: another member's read may have been earlier.
    pub fn has_read(&self, epoch: &str, offset: u64) {
        let mut players = self.hub.lock();
        let audience = players
            .get_mut(&self.project)
            .and_then(|players| players.get_mut(&self.player));
        if let Some(audience) = audience
            && audience.told.is_none()
            && audience.members.len() == 1
        {
            audience.told = Some(Told {
                epoch: epoch.into(),
                offset,
            });
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut players = self.hub.lock();
        let Some(of_project) = players.get_mut(&self.project) else {
            return;
        };
        let Some(audience) = of_project.get_mut(&self.player) else {
            return;
        };
        audience
            .members
            .retain(|member| !Arc::ptr_eq(member, &self.mailbox));
        if audience.members.is_empty() {
            of_project.remove(&self.player);
        }
        if of_project.is_empty() {
            players.remove(&self.project);
        }
    }
}

#[cfg(test)]
mod tests;
