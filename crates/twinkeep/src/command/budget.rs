//! `twinkeep budget list|reset`.

use twinkeep_app::{AppError, BudgetLine, Caller, list_budgets, reset_budgets};

use crate::cli::{BudgetCommand, Global};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &BudgetCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    match args {
        BudgetCommand::List => out.list(&list_budgets(&app)?, list),
        BudgetCommand::Reset { caller } => {
            reset_budgets(&app, &Caller::operator(), caller)?;
            let done = serde_json::json!({ "reset": caller });
            out.result(&done, |_| format!("the budgets of {caller} begin anew"))
        }
    }
}

fn list(lines: &[BudgetLine]) -> String {
    let header = ["caller", "unit", "period", "model", "used", "limit"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        let BudgetLine { caller, unit, period, model, spent, limit } = line;
        let model = if model.is_empty() { "any" } else { model };
        let (spent, limit) = (spent.to_string(), limit.to_string());
        [caller.as_str(), unit, period, model, &spent, &limit].map(str::to_owned).to_vec()
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}
