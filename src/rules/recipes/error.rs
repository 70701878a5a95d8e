//! What is wrong with a recipe.

use std::fmt;

/// What is wrong with a recipe, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeError {
    /// The recipe, by the name of its alert; of an `AlertConfig`, `alerts`.
    pub recipe: String,
    /// What of it: `window`, `objective`, the name of an annotation.
    pub setting: String,
    /// What is wrong, and what was expected.
    pub reason: String,
}

/// A setting, and what is wrong with it: an error that does not know its recipe yet.
pub(super) type Wrong = (String, String);

pub(super) fn wrong<T>(setting: &str, reason: impl Into<String>) -> Result<T, Wrong> {
    Err((setting.to_owned(), reason.into()))
}

impl RecipeError {
    pub(super) fn of(recipe: &str, (setting, reason): Wrong) -> RecipeError {
        RecipeError { recipe: recipe.to_owned(), setting, reason }
    }
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recipe {:?}: {}: {}", self.recipe, self.setting, self.reason)
    }
}

impl std::error::Error for RecipeError {}
