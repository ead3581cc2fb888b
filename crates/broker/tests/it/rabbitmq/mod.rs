//! What only RabbitMQ can do to us.

mod consuming;
mod hints;
mod publishing;
mod routing;
mod topology;
