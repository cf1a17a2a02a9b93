//! Around the engine: it asserts where it could return an error.
//!
//! Where programs unwind, a panic is caught. What is shipped to boards aborts, which keeps a quarter of the program away
//! (`docs/decisions/022-boards-abort.md`): there the engine works on threads that may be [`lost`].

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::lost;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; what it panicked with where it did. Nothing is printed then: the caller tells the reason in words,
/// and a backtrace of the engine helps nobody.
pub(crate) fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    hook();
    let outcome = if cfg!(panic = "abort") { lost::run(work) } else { caught(work) };
    outcome.map_err(|reason| format!("the engine gave up on it ({reason})"))
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outside = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outside);
    outcome.map_err(|panic| message(panic.as_ref()))
}

/// Says nothing of a panic in guarded work, and ends no program by one in [`lost`] work.
pub(crate) fn hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            lost::give_up(|| message(panic.payload()));
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.and_then(|text| text.lines().next()).unwrap_or("without a reason").to_owned()
}
