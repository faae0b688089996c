"""What holds in the database whatever was killed, raced or repeated: each law as a query that finds who breaks it."""

from __future__ import annotations

import psycopg

from tests.support.figures import FIGURE_LAWS

LAWS = {
    "the versions of a prompt are numbered 1, 2, 3, …": """
        select prompt_id from prompt_versions group by prompt_id having min(number) <> 1 or max(number) <> count(*)
    """,
    "a prompt is at its highest version": """
        select p.id from prompts p where p.current_version_id is distinct from
          (select v.id from prompt_versions v where v.prompt_id = p.id order by v.number desc limit 1)
    """,
    "a version was made by exactly one decision": """
        select v.id from prompt_versions v left join decisions d on d.version_id = v.id
        group by v.id having count(d.id) <> 1
    """,
    "an accepted proposal made exactly one version, and knows it": """
        select p.id from proposals p left join prompt_versions v on v.proposal_id = p.id where p.status = 'accepted'
        group by p.id having count(v.id) <> 1 or min(v.id::text) is distinct from p.applied_version_id::text
    """,
    "a proposal that is not accepted made no version": """
        select p.id from proposals p where p.status <> 'accepted' and
          (p.applied_version_id is not null or exists (select from prompt_versions v where v.proposal_id = p.id))
    """,
    "a proposal's version follows directly on its basis": """
        select p.id from proposals p join prompt_versions v on v.id = p.applied_version_id
        join prompt_versions b on b.id = p.basis_version_id where v.number <> b.number + 1
    """,
    "an accepted proposal's version has the text of its draft": """
        select p.id from proposals p join prompt_versions v on v.id = p.applied_version_id
        where v.text <> p.proposed_prompt
    """,
    "a customer has no more proposals in progress than allowed": """
        select c.id from customers c join proposals p on p.customer_id = c.id and p.status = 'progressing'
        group by c.id having count(*) > coalesce(c.max_in_progress, 3)
    """,
    "a proposal is decided at most once, and by the decision that its state names": """
        select p.id from proposals p left join decisions d on d.subject_kind = 'proposal' and d.subject_id = p.id
        group by p.id
        having count(d.id) <> case when p.status in ('accepted', 'rejected') or p.error = 'cancelled' then 1 else 0 end
            or bool_or(d.action <> case p.status when 'accepted' then 'accept' when 'rejected' then 'reject'
                                                 else 'cancel' end)
    """,
    "a proposal has an error exactly when it failed or expired": """
        select id from proposals where (error <> '') <> (status in ('failed', 'expired'))
    """,
    "a month's spend is the sum of its ledger": """
        select coalesce(s.customer_id, m.customer_id) from spends s full join
          (select customer_id, month, sum(case when state = 'settled' then cost_usd else reserved_usd end) as usd
           from model_calls group by customer_id, month) m on (m.customer_id, m.month) = (s.customer_id, s.month)
        where s.usd is distinct from m.usd and (coalesce(s.usd, 0), coalesce(m.usd, 0)) <> (0, 0)
    """,
    "a schedule's spend of a month is the sum of its ledger": """
        select coalesce(s.schedule_id, m.schedule_id) from schedule_spends s full join
          (select schedule_id, month, sum(case when state = 'settled' then cost_usd else reserved_usd end) as usd
           from model_calls where schedule_id is not null group by schedule_id, month) m
          on (m.schedule_id, m.month) = (s.schedule_id, s.month)
        where s.usd is distinct from m.usd and (coalesce(s.usd, 0), coalesce(m.usd, 0)) <> (0, 0)
    """,
    "a version that a watch restored follows directly on the one it watched": """
        select w.id from watches w left join prompt_versions v on v.id = w.restored_version_id
        join prompt_versions b on b.id = w.version_id
        where w.restored_version_id is not null and (w.status <> 'worse' or v.number <> b.number + 1)
    """,
    "an answer is kept only while its proposal is in progress": """
        select c.id from model_calls c join proposals p on p.id = c.subject_id
        where c.answer is not null and p.status <> 'progressing'
    """,
    "what a proposal has ended as is in the event log, once": """
        select p.id from proposals p left join events e on e.subject_id = p.id and e.topic in
          ('proposal.accepted', 'proposal.rejected', 'proposal.cancelled', 'proposal.failed', 'proposal.expired')
        group by p.id
        having count(e.id) <> case when p.status in ('accepted', 'rejected', 'failed', 'expired') then 1 else 0 end
            or min(e.topic) <> 'proposal.' || case p.error when 'cancelled' then p.error else p.status end
    """,
    "that a proposal was created, and that its draft is there, is in the event log, once": """
        select p.id from proposals p where
          (select count(*) from events where subject_id = p.id and topic = 'proposal.created') <> 1 or
          (select count(*) from events where subject_id = p.id and topic = 'proposal.completed')
            <> case when p.generated_prompt = '' then 0 else 1 end
    """,
    "every version is in the event log, once": """
        select v.id from prompt_versions v left join events e on e.subject_id = v.prompt_id
          and e.topic in ('prompt.version_committed', 'prompt.version_stored') and e.payload->>'version_id' = v.id::text
        group by v.id having count(e.id) <> 1
    """,
    "every decision is in the event log, once, under the same name": """
        select d.id from decisions d left join events e on e.payload->>'actor' = d.actor and
          ((d.subject_kind = 'prompt' and e.payload->>'version_id' = d.version_id::text) or
           (d.subject_kind <> 'prompt' and e.subject_id = d.subject_id and e.topic = d.subject_kind || '.' ||
              case d.action when 'accept' then 'accepted' when 'reject' then 'rejected' when 'cancel' then 'cancelled'
                            when 'apply' then 'applied' when 'dismiss' then 'dismissed' when 'stop' then 'stopped' end))
        group by d.id having count(e.id) <> 1
    """,
    "what a schedule started is named by exactly one of its runs": """
        select w.id from (select id, schedule_id from proposals union all select id, schedule_id from optimizations) w
        left join schedule_runs r on r.schedule_id = w.schedule_id and w.id in (r.proposal_id, r.optimization_id)
        where w.schedule_id is not null group by w.id having count(r.id) <> 1
    """,
    "a run of a schedule names what it started exactly when it says that it did": """
        select id from schedule_runs where (status = 'started') <> (num_nonnulls(proposal_id, optimization_id) = 1)
    """,
    "a run of a schedule that has ended is in the event log, once, as what it ended": """
        select r.id from schedule_runs r left join events e on e.subject_id = r.schedule_id
          and e.topic like 'schedule.run\\_%' and e.payload->>'run_id' = r.id::text
        where r.workflow_id <> '' group by r.id
        having count(e.id) <> case r.status when 'running' then 0 else 1 end
            or min(e.topic) <> 'schedule.run_' || r.status
    """,
    "a run of a schedule has no conversation audited twice": """
        select schedule_id from audits where schedule_id is not null and deleted_at is null and status <> 'failed'
        group by schedule_id, trace_id having count(*) > 1
    """,
    **FIGURE_LAWS,
}


def broken_laws(database_url: str) -> dict[str, list[str]]:
    """Return the laws that do not hold in this database, each with the ids of the rows that break it."""
    broken = {}
    with psycopg.connect(database_url) as connection:
        for law, query in LAWS.items():
            if rows := connection.execute(query.encode()).fetchall():
                broken[law] = [str(row[0]) for row in rows]
    return broken


def deadlocks(database_url: str) -> int:
    """Return how many deadlocks PostgreSQL has had to break in this database."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute("select deadlocks from pg_stat_database where datname = current_database()")
        row = found.fetchone()
    return int(row[0]) if row else 0
