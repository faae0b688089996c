from redraft.llm.port import LanguageModel
from redraft.llm.tasks.drafts import ProposalBrief
from redraft.llm.tasks.simulate_brief import ScenarioDraft


class ScenariosBrief(ProposalBrief): ...


async def write_scenarios(model: LanguageModel, brief: ScenariosBrief) -> list[ScenarioDraft]:
    return [ScenarioDraft(name=f"S{i}", situation="You want a table.", goal="A table is booked.") for i in range(4)]
