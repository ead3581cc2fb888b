//! A broker in memory: at least once, in any order, with retry and parking queues.

use order::ParkReason;

use crate::chance::Chance;

/// Deliveries of one message after which the broker gives it up.
const DELIVERY_LIMIT: u32 = 8;

/// Names one handing out of a message. Worthless once the message was handed out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    message: usize,
    time: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ready,
    Held(usize),
    /// On a retry queue.
    Delayed,
    Parked(ParkReason),
    Gone,
}

#[derive(Clone, Debug)]
struct Message {
    notice: usize,
    attempt: u32,
    deliveries: u32,
    place: Place,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Broker {
    messages: Vec<Message>,
}

impl Broker {
    pub(crate) fn publish(&mut self, notice: usize) {
        self.put(notice, 0, Place::Ready);
    }

    fn put(&mut self, notice: usize, attempt: u32, place: Place) {
        self.messages.push(Message {
            notice,
            attempt,
            deliveries: 0,
            place,
        });
    }

    fn are(&self, wanted: impl Fn(Place) -> bool) -> Vec<usize> {
        let messages = self.messages.iter().enumerate();
        let those = messages.filter(|(_, message)| wanted(message.place));
        those.map(|(index, _)| index).collect()
    }

    /// Hands out up to `most` messages, in any order.
    pub(crate) fn take(
        &mut self,
        worker: usize,
        most: usize,
        chance: &mut Chance,
    ) -> Vec<Delivery> {
        let mut ready = self.are(|place| place == Place::Ready);
        chance.shuffle(&mut ready);
        ready.truncate(most);
        let hand_out = |message: usize| {
            self.messages[message].deliveries += 1;
            self.messages[message].place = Place::Held(worker);
            let time = self.messages[message].deliveries;
            Delivery { message, time }
        };
        ready.into_iter().map(hand_out).collect()
    }

    /// Which notice it is, and how often workers have failed on it.
    pub(crate) fn notice(&self, delivery: Delivery) -> (usize, u32) {
        let message = &self.messages[delivery.message];
        (message.notice, message.attempt)
    }

    /// Passed over if the message was handed out again.
    pub(crate) fn acknowledge(&mut self, delivery: Delivery) {
        let message = &mut self.messages[delivery.message];
        if message.deliveries == delivery.time && matches!(message.place, Place::Held(_)) {
            message.place = Place::Gone;
        }
    }

    /// A copy for later, one attempt on. The delivery itself is as unfinished as before.
    pub(crate) fn copy_to_retry(&mut self, delivery: Delivery) {
        let (notice, attempt) = self.notice(delivery);
        self.put(notice, attempt + 1, Place::Delayed);
    }

    /// A copy on the parking queue.
    pub(crate) fn copy_to_parked(&mut self, delivery: Delivery) {
        let (notice, attempt) = self.notice(delivery);
        self.put(notice, attempt, Place::Parked(ParkReason::Rejected));
    }

    /// A worker is gone: what it holds comes again, but not for ever.
    pub(crate) fn requeue(&mut self, worker: usize) {
        for message in &mut self.messages {
            if message.place == Place::Held(worker) {
                message.place = if message.deliveries < DELIVERY_LIMIT {
                    Place::Ready
                } else {
                    Place::Parked(ParkReason::DeliveryLimit)
                };
            }
        }
    }

    /// One delay is over.
    pub(crate) fn end_a_delay(&mut self, chance: &mut Chance) {
        if let Some(due) = chance.pick(&self.are(|place| place == Place::Delayed)) {
            self.messages[due].place = Place::Ready;
        }
    }

    /// A message that somebody has to look at: itself, its notice, and why.
    pub(crate) fn parked(&self, chance: &mut Chance) -> Option<(usize, usize, ParkReason)> {
        let parked = self.are(|place| matches!(place, Place::Parked(_)));
        let message = chance.pick(&parked)?;
        match self.messages[message].place {
            Place::Parked(reason) => Some((message, self.messages[message].notice, reason)),
            Place::Ready | Place::Held(_) | Place::Delayed | Place::Gone => None,
        }
    }

    /// The ledger has it now.
    pub(crate) fn finish_parked(&mut self, message: usize) {
        self.messages[message].place = Place::Gone;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.are(|place| place != Place::Gone).is_empty()
    }
}
