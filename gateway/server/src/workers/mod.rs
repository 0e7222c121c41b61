//! What runs by the clock or by a nudge, beside the requests.

pub mod certificates;
pub mod deliveries;
pub mod lists;
pub mod retention;
pub mod velocity;
