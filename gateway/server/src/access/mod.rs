//! Who may do what, and the secrets that prove it.

pub mod api_keys;
pub mod bootstrap;
mod guesses;
pub mod master_keys;
mod merchant_tokens;
mod password_policy;
pub mod passwords;
pub mod people;
pub mod roles;
pub mod sealing;
mod second_factor;
mod session_tokens;
pub mod single_sign_on;
