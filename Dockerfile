# One image for every process: `serve` is the default, `work` and `migrate` are other commands of it.
# Slim and glibc on purpose: the wheels that hold compiled code are made for it.
FROM python:3.13-slim-bookworm AS build
RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
RUN /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary=:all: -r /tmp/base.txt

FROM python:3.13-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 integrator \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin integrator
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY manage.py LICENSE ./
COPY integrator ./integrator
COPY connectors ./connectors
COPY flows ./flows
COPY monitoring ./monitoring
COPY templates ./templates
COPY static ./static
# The code belongs to root; the process writes to var only: static files, and the database of embedded mode.
RUN install -d -m 700 -o integrator -g integrator var
USER 10001:10001
# Nothing is served with this key. `serve` collects again when it starts, in case var is a volume.
RUN SECRET_KEY=only-while-the-image-is-built-0000000000000000000000 python manage.py check \
    && SECRET_KEY=only-while-the-image-is-built-0000000000000000000000 python manage.py collectstatic --no-input
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, os, sys, urllib.parse; line = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT', '8000')), timeout=8); line.request('GET', '/healthz', headers={'Host': urllib.parse.urlsplit(os.environ.get('INTEGRATOR_PUBLIC_URL', 'http://127.0.0.1')).netloc}); sys.exit(line.getresponse().status != 200)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["serve", "--host", "0.0.0.0"]
