//! A long run at half load: nothing may grow but the database.

pub mod load;
pub mod plot;
pub mod samples;
