# The local server: `imagesearch serve /images`. docs/how-to/install.md has the commands.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/
RUN python -m venv /opt/imagesearch \
 && /opt/imagesearch/bin/pip install --quiet --no-cache-dir --require-hashes --no-deps -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY benchmarks benchmarks
COPY functions functions
COPY layers layers
COPY local local
COPY models models
RUN /opt/imagesearch/bin/pip install --quiet --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /opt/imagesearch /opt/imagesearch
# A volume that is mounted here for the first time gets this owner.
RUN useradd --uid 10001 --no-create-home imagesearch && install -d -o imagesearch /data /images
ENV PATH=/opt/imagesearch/bin:$PATH \
    IMAGESEARCH_DATA_DIR=/data/indexes \
    IMAGESEARCH_CACHE=/data/cache
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import os, urllib.request as http; http.urlopen(http.Request('http://127.0.0.1:8000/v1/health', headers={'x-api-key': os.environ.get('IMAGESEARCH_API_KEY', '')}))"]
ENTRYPOINT ["imagesearch"]
CMD ["serve", "/images", "--host", "0.0.0.0"]
