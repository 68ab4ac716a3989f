//! A scenario, and the test that it becomes.

use std::sync::Arc;

use libtest_mimic::{Completion, Trial};

use crate::installed::Installed;
use crate::visit::Visit;
use crate::world::World;

/// Plays a scenario in a world, alone or beside others.
type Play = dyn FnOnce(&World, bool) + Send;

/// Something that people do in their browsers.
pub(crate) struct Scenario {
    name: String,
    needs_axe: bool,
    is_alone: bool,
    play: Box<Play>,
}

impl Scenario {
    /// A scenario after which no window may complain about anything.
    pub(crate) fn new<F>(module: &str, name: &str, play: F) -> Self
    where
        F: AsyncFn(&Visit<'_>) + Send + 'static,
    {
        let module = module.split_once("::").map_or(module, |(_, module)| module);
        Self {
            name: format!("{module}::{name}"),
            needs_axe: false,
            is_alone: false,
            play: Box::new(move |world, is_alone| {
                let complaints = world.play(is_alone, &play);
                assert!(complaints.is_empty(), "{complaints:#?}");
            }),
        }
    }

    /// The same, judged by axe-core.
    pub(crate) fn with_axe(self) -> Self {
        Self {
            needs_axe: true,
            ..self
        }
    }

    /// The same, while no other scenario runs.
    pub(crate) fn alone(self) -> Self {
        Self {
            is_alone: true,
            ..self
        }
    }

    /// The test of this scenario.
    pub(crate) fn trial(self, installed: &Installed, world: &Arc<World>) -> Trial {
        let missing = installed.missing(self.needs_axe);
        let is_strict = installed.is_strict;
        let world = Arc::clone(world);
        Trial::ignorable_test(self.name, move || match missing {
            Some(missing) if is_strict => Err(missing.into()),
            Some(missing) => Ok(Completion::ignored_with(missing)),
            None => {
                (self.play)(&world, self.is_alone);
                Ok(Completion::Completed)
            }
        })
    }
}

/// Scenarios of these functions, named after them.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        vec![$($crate::scenario::Scenario::new(module_path!(), stringify!($name), $name)),*]
    };
}
pub(crate) use scenarios;
