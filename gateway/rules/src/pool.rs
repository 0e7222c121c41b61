//! The VMs of one worker thread. A call has a VM to itself, and VMs never leave their thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::engine::Shared;
use crate::error::{ErrorKind, ScriptError};
use crate::vm::Vm;

thread_local! {
    static POOLS: RefCell<HashMap<usize, Rc<Pool>>> = RefCell::default();
}

pub(crate) struct Pool {
    engine: Weak<Shared>,
    idle: RefCell<Vec<Vm>>,
    free: Semaphore,
}

impl Pool {
    /// This thread's pool of an engine. Pools of engines that are gone are dropped on the way.
    pub(crate) fn of(engine: &Arc<Shared>) -> Rc<Self> {
        let key = Arc::as_ptr(engine).addr();
        POOLS.with_borrow_mut(|pools| {
            if let Some(pool) = pools.get(&key).filter(|pool| pool.engine.strong_count() > 0) {
                return Rc::clone(pool);
            }
            pools.retain(|_, pool| pool.engine.strong_count() > 0);
            let pool = Rc::new(Self {
                engine: Arc::downgrade(engine),
                idle: RefCell::default(),
                free: Semaphore::new(engine.limits.vms_per_worker),
            });
            pools.insert(key, Rc::clone(&pool));
            pool
        })
    }

    /// Lends a VM for one call, waits for one if all are lent, and takes it back if it is still fit.
    pub(crate) async fn with_vm<R>(
        &self,
        engine: &Shared,
        patience: Duration,
        call: impl AsyncFnOnce(&mut Vm) -> R,
    ) -> Result<R, ScriptError> {
        // A timer costs as much as a short script: it is set only when there is something to wait for.
        let permit = match self.free.try_acquire() {
            Ok(permit) => Some(permit),
            Err(_) => tokio::time::timeout(patience, self.free.acquire())
                .await
                .ok()
                .and_then(Result::ok),
        };
        let Some(_permit) = permit else {
            return Err(ScriptError::new(
                ErrorKind::Busy,
                "no Lua VM became free in time; the script did not run",
            ));
        };
        let lent = self.idle.borrow_mut().pop();
        let mut vm = match lent {
            Some(vm) => vm,
            None => engine.build_vm().map_err(|error| {
                tracing::error!(%error, "no Lua VM could be built");
                ScriptError::new(ErrorKind::Internal, "the rule engine could not start")
            })?,
        };
        let result = call(&mut vm).await;
        if vm.is_fit(&engine.limits) {
            self.idle.borrow_mut().push(vm);
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, EngineError, Limits};

    const PATIENCE: Duration = Duration::from_millis(20);

    fn lone() -> Result<Arc<Shared>, EngineError> {
        Engine::new(Limits {
            vms_per_worker: 1,
            ..Limits::default()
        })
        .map(|engine| engine.shared().clone())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn when_all_are_lent_a_call_waits_for_one() {
        let engine = lone().unwrap();
        let pool = Pool::of(&engine);
        let holder = pool.with_vm(&engine, PATIENCE, async |_| tokio::time::sleep(PATIENCE / 4).await);
        let second = async {
            tokio::task::yield_now().await;
            pool.with_vm(&engine, PATIENCE, async |_| ()).await
        };
        let (first, second) = tokio::join!(holder, second);
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert_eq!(pool.idle.borrow().len(), 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn patience_ends_in_busy() {
        let engine = lone().unwrap();
        let pool = Pool::of(&engine);
        let holder = pool.with_vm(&engine, PATIENCE, async |_| tokio::time::sleep(PATIENCE * 4).await);
        let second = async {
            tokio::task::yield_now().await;
            pool.with_vm(&engine, PATIENCE, async |_| ()).await
        };
        let (first, second) = tokio::join!(holder, second);
        assert_eq!(first, Ok(()));
        assert_eq!(second.unwrap_err().kind, ErrorKind::Busy);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_cancelled_call_frees_its_place_and_loses_its_vm() {
        let engine = lone().unwrap();
        let pool = Pool::of(&engine);
        let held = pool.with_vm(&engine, PATIENCE, async |_| std::future::pending::<()>().await);
        assert!(tokio::time::timeout(PATIENCE, held).await.is_err());
        assert_eq!(pool.idle.borrow().len(), 0);
        assert_eq!(pool.with_vm(&engine, PATIENCE, async |_| ()).await, Ok(()));
    }

    #[test]
    fn pools_of_dropped_engines_go() {
        let first = lone().unwrap();
        let pool = Rc::downgrade(&Pool::of(&first));
        drop(first);
        let second = lone().unwrap();
        Pool::of(&second);
        // Either replaced under the same address or swept.
        assert!(pool.upgrade().is_none());
    }
}
