//! Who holds what of one queue.
//!
//! Everything up to `after` is held by a consumer, or was given back, or is gone;
//! everything later waits in the file. One task hands out, so that two never hand out the
//! same message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use task::Headers;
use tokio::sync::{Notify, mpsc};

use super::table::{Key, Taken};
use crate::delivery::read;
use crate::{Delivery, Tag};

/// Messages handed out in one transaction.
const TAKE_MOST: usize = 128;

/// One queue's consumers.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) queue: &'static str,
    /// Rung when there may be something to hand out.
    pub(super) bell: Notify,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    after: Key,
    returned: BTreeSet<Key>,
    seats: BTreeMap<u64, Seat>,
    seats_given: u64,
}

/// One consumer.
#[derive(Debug)]
struct Seat {
    prefetch: usize,
    /// Whether it takes more.
    open: bool,
    arrivals: mpsc::Sender<Delivery>,
    held: BTreeMap<u64, Key>,
    dealt: u64,
}

impl Seat {
    fn room(&self) -> usize {
        if self.open {
            self.prefetch.saturating_sub(self.held.len())
        } else {
            0
        }
    }
}

/// What is to be handed out next.
pub(super) struct Plan {
    pub(super) returned: Vec<Key>,
    pub(super) after: Key,
    pub(super) most: usize,
}

/// Where the messages of a queue that nobody holds begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    pub(super) returned: Option<Key>,
    pub(super) after: Key,
}

impl Desk {
    pub(super) fn new(queue: &'static str) -> Self {
        Self {
            queue,
            bell: Notify::new(),
            book: Mutex::new(Book {
                after: Key::FIRST,
                returned: BTreeSet::new(),
                seats: BTreeMap::new(),
                seats_given: 0,
            }),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a consumer its number.
    pub(super) fn join(&self, prefetch: usize, arrivals: mpsc::Sender<Delivery>) -> u64 {
        let mut book = self.book();
        book.seats_given += 1;
        let generation = book.seats_given;
        let seat = Seat {
            prefetch,
            open: true,
            arrivals,
            held: BTreeMap::new(),
            dealt: 0,
        };
        book.seats.insert(generation, seat);
        drop(book);
        self.bell.notify_one();
        generation
    }

    /// Nothing more for this consumer.
    pub(super) fn drain(&self, generation: u64) {
        if let Some(seat) = self.book().seats.get_mut(&generation) {
            seat.open = false;
        }
    }

    /// Ends a consumer. What it held is nobody's until it is given back.
    pub(super) fn leave(&self, generation: u64) -> Vec<Key> {
        let seat = self.book().seats.remove(&generation);
        seat.map_or_else(Vec::new, |seat| seat.held.into_values().collect())
    }

    /// Puts messages back in their turn.
    pub(super) fn give_back(&self, keys: impl IntoIterator<Item = Key>) {
        self.book().returned.extend(keys);
        self.bell.notify_one();
    }

    /// Those of the tags that the consumer holds.
    pub(super) fn held(
        &self,
        generation: u64,
        tags: impl IntoIterator<Item = Tag>,
    ) -> BTreeMap<u64, Key> {
        let book = self.book();
        let Some(seat) = book.seats.get(&generation) else {
            return BTreeMap::new();
        };
        tags.into_iter()
            .filter(|tag| tag.generation == generation)
            .filter_map(|tag| Some((tag.number, *seat.held.get(&tag.number)?)))
            .collect()
    }

    /// Makes room: these are no longer the consumer's. Those that it really still held.
    pub(super) fn release(&self, generation: u64, held: &BTreeMap<u64, Key>) -> Vec<Key> {
        let mut book = self.book();
        let Some(seat) = book.seats.get_mut(&generation) else {
            return Vec::new();
        };
        let released = held.keys().filter_map(|number| seat.held.remove(number));
        let released = released.collect();
        drop(book);
        self.bell.notify_one();
        released
    }

    /// `None` while nobody has room.
    pub(super) fn plan(&self) -> Option<Plan> {
        let book = self.book();
        let room: usize = book.seats.values().map(Seat::room).sum();
        let most = room.min(TAKE_MOST);
        (most > 0).then(|| Plan {
            returned: book.returned.iter().take(most).copied().collect(),
            after: book.after,
            most,
        })
    }

    /// Gives what was taken by a plan to those who have most room.
    pub(super) fn deal(&self, plan: &Plan, taken: Vec<Taken>) {
        let deliveries: Vec<_> = taken.into_iter().map(delivery).collect();
        let mut book = self.book();
        for key in &plan.returned {
            book.returned.remove(key);
        }
        for (key, mut delivery) in deliveries {
            book.after = book.after.max(key);
            let by_room = |seat: &(&u64, &mut Seat)| seat.1.room();
            let seat = book.seats.iter_mut().max_by_key(by_room);
            let Some((generation, seat)) = seat.filter(|(_, seat)| seat.room() > 0) else {
                book.returned.insert(key);
                continue;
            };
            seat.dealt += 1;
            delivery.tag = Tag {
                generation: *generation,
                number: seat.dealt,
            };
            let number = seat.dealt;
            if seat.arrivals.try_send(delivery).is_ok() {
                seat.held.insert(number, key);
            } else {
                // It is about to leave.
                seat.open = false;
                book.returned.insert(key);
            }
        }
    }

    /// Where the messages that wait begin: the first that was given back, and behind which
    /// nobody has had any.
    pub(super) fn front(&self) -> (&'static str, Front) {
        let book = self.book();
        let front = Front {
            returned: book.returned.first().copied(),
            after: book.after,
        };
        (self.queue, front)
    }

    /// Messages held, and consumers that take more.
    pub(super) fn count(&self) -> (u64, u64) {
        let book = self.book();
        let held: usize = book.seats.values().map(|seat| seat.held.len()).sum();
        let open = book.seats.values().filter(|seat| seat.open).count();
        (held as u64, open as u64)
    }
}

/// A message as its consumer sees it, but for the tag.
fn delivery(taken: Taken) -> (Key, Delivery) {
    let texts: BTreeMap<String, String> = serde_json::from_str(&taken.headers).unwrap_or_default();
    let headers: Headers = texts.into_iter().collect();
    let delivery = Delivery {
        tag: Tag {
            generation: 0,
            number: 0,
        },
        lane: taken.lane.parse().ok(),
        task: read(headers, Bytes::from(taken.body)),
        redelivered: taken.deliveries > 0,
        parked: taken.reason,
    };
    (taken.key, delivery)
}
