"""`python -m bench.bare_api PORT`: what `bench.reads` reads, as FastAPI routes with the same queries and no more."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI
from sqlmodel.ext.asyncio.session import AsyncSession

from api.schemas.aipromptproposals import AiPromptProposal
from api.schemas.common import PageOf
from redraft.domain.proposals.reading import ProposalFilter, evidence_of, get_proposal, list_proposals
from redraft.embedded.ports import LOOPBACK
from redraft.settings import settings
from redraft.store.database import Database

app = FastAPI()
database = Database.connect(settings())


async def a_session() -> AsyncIterator[AsyncSession]:
    """One transaction, as whoever the address names."""
    async with AsyncSession(database.engine, expire_on_commit=False) as session:
        yield session


Session = Annotated[AsyncSession, Depends(a_session)]


@app.get("/v1.0/aipromptproposals/{proposal_id}")
async def read(proposal_id: UUID, session: Session) -> AiPromptProposal:
    """Read a proposal."""
    proposal = await get_proposal(session, proposal_id)
    return AiPromptProposal.of(proposal, (await evidence_of(session, proposal_id))[proposal_id])


@app.get("/v1.0/aipromptproposals")
async def read_page(session: Session, page_size: int = 100) -> PageOf[AiPromptProposal]:
    """List proposals, newest first."""
    page = await list_proposals(session, ProposalFilter(), None, page_size)
    evidence = await evidence_of(session, *(proposal.id for proposal in page.items))
    return PageOf[AiPromptProposal].build(
        page.items, page.next_token, lambda proposal: AiPromptProposal.of(proposal, evidence[proposal.id])
    )


if __name__ == "__main__":
    uvicorn.run(app, host=LOOPBACK, port=int(sys.argv[1]), access_log=False, log_config=None)
