use std::future::Future;

/// Runs a task that must not end while anybody needs it: should it panic, it is started again, and the log says so.
/// `make` is called for each start; the task is done when it returns.
pub fn keep_running<F, T>(name: &'static str, make: F)
where
    F: Fn() -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Err(error) = tokio::spawn(make()).await {
            if !error.is_panic() {
                return;
            }
            tracing::error!(task = name, %error, "a task broke and is started again");
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::keep_running;

    #[tokio::test]
    async fn a_task_that_panics_is_started_again() {
        let (starts, done) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (counted, told) = (Arc::clone(&starts), Arc::clone(&done));
        keep_running("test", move || {
            let (starts, done) = (Arc::clone(&counted), Arc::clone(&told));
            async move {
                assert!(starts.fetch_add(1, Ordering::SeqCst) > 0, "the first start breaks");
                done.notify_one();
            }
        });
        done.notified().await;
        assert_eq!(starts.load(Ordering::SeqCst), 2);
    }
}
