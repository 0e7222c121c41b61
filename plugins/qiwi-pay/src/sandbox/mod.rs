use chrono::{DateTime, Utc};
use plugin_sdk::{Sandbox, SandboxAnswer, SandboxNotification, SandboxRequest};
pub struct QiwiPaySandbox;
impl QiwiPaySandbox {
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}
impl Sandbox for QiwiPaySandbox {
    fn serves(&self, _: &str) -> bool {
        false
    }
    fn handle(&mut self, _: &SandboxRequest, _: DateTime<Utc>) -> SandboxAnswer {
        SandboxAnswer::empty(404)
    }
    fn due(&mut self, _: DateTime<Utc>) -> Vec<SandboxNotification> {
        vec![]
    }
    fn delivered(&mut self, _: u64, _: Option<(u16, &[u8])>, _: DateTime<Utc>) {}
    fn next_due(&self) -> Option<DateTime<Utc>> {
        None
    }
}
