//! More and fewer copies of a role, while the others work.

use super::{Member, Roles};

impl Roles {
    /// More processes, which get their share of new connections as soon as all are ready.
    pub(crate) async fn add(&mut self, members: Vec<Member>) -> Vec<usize> {
        let first = self.cast.len();
        for member in members {
            self.places.push(self.vacant.remove(0));
            self.cast.push(member);
            self.run(self.cast.len() - 1);
        }
        let added = first..self.cast.len();
        for number in added.clone() {
            self.is_ready(number).await;
            if let Some(balancer) = self.balancer(number) {
                balancer.add(self.places[number].serves);
            }
        }
        added.collect()
    }

    /// Gets no more connections, is asked to end, and does not come back.
    pub(crate) async fn retire(&mut self, number: usize) {
        if let Some(balancer) = self.balancer(number) {
            balancer.remove(self.places[number].serves);
        }
        self.retired.insert(number);
        let process = self.processes.remove(&number).unwrap();
        self.end(number, process).await;
        self.vacant.push(self.places[number]);
    }
}
