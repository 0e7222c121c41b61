use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// Works on a handshake only while it holds a turn, and gives the turn back whenever it waits for the other end: so whoever
/// begins handshakes and stops keeps nobody from theirs, and what comes at once does not hold up the thread for long.
pub struct InTurns<F> {
    inner: Pin<Box<F>>,
    turns: PollSemaphore,
}

impl<F> InTurns<F> {
    pub fn new(inner: F, turns: &Arc<Semaphore>) -> Self {
        Self {
            inner: Box::pin(inner),
            turns: PollSemaphore::new(Arc::clone(turns)),
        }
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Future for InTurns<F> {
    /// `Err(None)`: there are no turns any more.
    type Output = Result<T, Option<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = ready!(self.turns.poll_acquire(context));
        let Some(_turn) = turn else {
            return Poll::Ready(Err(None));
        };
        self.inner.as_mut().poll(context).map_err(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn who_waits_holds_no_turn() {
        let turns = Arc::new(Semaphore::new(1));
        let (answer, answered) = oneshot::channel::<()>();
        let waiting = tokio::spawn(InTurns::new(answered, &turns));
        let other = InTurns::new(async { Ok::<_, ()>(7) }, &turns);
        let other = tokio::time::timeout(Duration::from_secs(20), other).await;
        assert_eq!(other.expect("a turn").unwrap(), 7);
        answer.send(()).unwrap();
        waiting.await.unwrap().unwrap();
        assert_eq!(turns.available_permits(), 1);
    }
}
