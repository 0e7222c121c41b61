use std::future::Future;

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Where a request came from. Told beside the work, like a trace's id: no function on the way needs to pass it on.
#[derive(Debug, Clone)]
pub struct Origin {
    pub address: String,
    pub request_id: String,
}

impl Origin {
    /// Entries that `work` adds to the audit trail name this origin.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        ORIGIN.scope(self, work).await
    }

    /// That of the request at work here.
    #[must_use]
    pub fn current() -> Option<Self> {
        ORIGIN.try_with(Clone::clone).ok()
    }
}
