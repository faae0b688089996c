"""Worker versioning: which build of the worker is current."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)

from redraft.settings import Settings
from runtime.client import connect


async def promote(settings: Settings) -> None:
    """Make this build current. Its worker must be running: Temporal refuses a build that nobody polls for."""
    client = await connect(settings)
    deployment = await client.workflow_service.describe_worker_deployment(
        DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=settings.deployment)
    )
    await client.workflow_service.set_worker_deployment_current_version(
        SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace,
            deployment_name=settings.deployment,
            build_id=settings.build_id or "",
            conflict_token=deployment.conflict_token,
            identity=client.identity,
        )
    )
