//! Who may do what, and the secrets that prove it.

pub mod api_keys;
pub mod bootstrap;
pub mod passwords;
pub mod sealing;
