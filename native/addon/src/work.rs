//! Work on a thread of Node's pool, of which JavaScript gets a promise.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{AsyncTask, Error, Result, ToNapiValue, TypeName};
use napi::{Env, Task};

/// Made of what it captured on the pool's thread, and of its result on JavaScript's. What it captured is let go on
/// JavaScript's thread, too.
pub struct Work<T, J> {
    make: Box<dyn FnMut() -> Result<T> + Send>,
    convert: fn(T) -> J,
}

impl<T, J> Work<T, J>
where
    T: Send + 'static,
    J: ToNapiValue + TypeName,
{
    pub fn start(make: impl FnMut() -> Result<T> + Send + 'static, convert: fn(T) -> J) -> AsyncTask<Self> {
        AsyncTask::new(Self { make: Box::new(make), convert })
    }
}

impl<T, J> Task for Work<T, J>
where
    T: Send + 'static,
    J: ToNapiValue + TypeName,
{
    type Output = T;
    type JsValue = J;

    fn compute(&mut self) -> Result<T> {
        caught(&mut self.make)?
    }

    fn resolve(&mut self, _: Env, made: T) -> Result<J> {
        Ok((self.convert)(made))
    }
}

/// A thread of another's knows no one who would catch a panic.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Error::from_reason("the native kernel panicked"))
}
