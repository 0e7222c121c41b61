//! The merchants' end of the webhooks: refuses, hangs up and keeps silent now and then, and writes down what it took.

use std::sync::{Arc, Mutex};

use e2e::{Inspector, Reply};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;

/// A webhook that was answered with 200.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Which endpoint, by its path.
    pub endpoint: String,
    pub event: String,
    pub body: Value,
}

pub struct Hooks {
    pub inspector: Inspector,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Hooks {
    /// `moody` until [`Self::take_all`].
    pub async fn start(mut chance: StdRng) -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let inspector = Inspector::answering({
            let taken = Arc::clone(&taken);
            move |received| match chance.random_range(0..100) {
                0..8 => Reply::status(500),
                8..12 => Reply::Close,
                12..14 => Reply::Silence,
                // Took it, and the answer is lost.
                14..17 => {
                    take(&taken, received);
                    Reply::Close
                }
                _ => {
                    take(&taken, received);
                    Reply::status(200)
                }
            }
        })
        .await;
        Self { inspector, taken }
    }

    pub fn take_all(&self) {
        let taken = Arc::clone(&self.taken);
        self.inspector.answer(move |received| {
            take(&taken, received);
            Reply::status(200)
        });
    }

    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

fn take(taken: &Mutex<Vec<Taken>>, received: &e2e::Received) {
    taken.lock().unwrap().push(Taken {
        endpoint: received.path.clone(),
        event: received.header("webhook-id").unwrap_or_default().to_owned(),
        body: serde_json::from_str(&received.body).unwrap_or_default(),
    });
}
