"""Two examples for the `--help` of each command, by the command's name."""

from __future__ import annotations

from typing import Any

import typer.core

EXAMPLES: dict[str, tuple[str, str]] = {
    "serve": ("serve ~/Pictures", "serve ~/Pictures --model clip-vit-b-32 --port 8080"),
    "index": ("index ~/Pictures", "index ~/Pictures --exclude '*.gif' --verbose"),
    "push": (
        "push ~/Pictures s3://my-bucket/pictures",
        "push ~/Pictures s3://my-bucket --exclude 'drafts/'",
    ),
    "backfill": ("backfill s3://my-bucket", "backfill s3://my-bucket/2024/ --wait"),
    "redrive": ("redrive", "redrive --stack photos --max 100 --yes"),
    "verify": ("verify ~/Pictures --repair", "verify s3://my-bucket --json"),
    "smoke": (
        "smoke --endpoint https://api.example.org --bucket my-bucket --stack imagesearch",
        "smoke --endpoint https://api.example.org --bucket my-bucket --iam",
    ),
    "tune": ("tune", "tune --from s3://my-derived"),
    "adapters list": ("adapters list", "adapters list --from s3://my-derived"),
    "adapters use": ("adapters use 2", "adapters use 1 --folder ~/Pictures"),
    "adapters off": ("adapters off", "adapters off --from s3://my-derived"),
    "adapters history": ("adapters history", "adapters history --from s3://my-derived"),
    "adapters compare": ("adapters compare", "adapters compare --folder ~/Pictures"),
    "feedback forget": (
        "feedback forget --before 2026-01-01",
        "feedback forget --user my-key-id --from s3://my-derived",
    ),
    "search": (
        'search "a dog on a beach" --since 2024 --open',
        'search "at night" --image photo.jpg --not "people" --paths',
    ),
    "similar": ("similar photo.jpg", "similar animals/owl.webp --all --json"),
    "list": ("list --in 2024 --sort -taken_at", "list --rejected"),
    "show": ("show animals/owl.webp", "show photo.jpg --json"),
    "status": ("status", "status --json"),
    "classify": (
        'classify photo.jpg --labels "owl,parrot,castle"',
        "classify photo.jpg --labelset birds",
    ),
    "duplicates": ("duplicates", "duplicates --threshold 0.99 --paths"),
    "reindex": (
        "reindex ~/Pictures --model clip-vit-b-32",
        "reindex ~/Pictures --status --next-model clip-vit-b-32",
    ),
    "feedback export": ("feedback export > pairs.jsonl", "feedback export --from s3://my-derived"),
    "labels put": (
        "labels put birds birds.txt",
        "labels put products products.txt --examples examples.tsv",
    ),
    "labels list": ("labels list", "labels list --folder ~/Pictures --json"),
    "labels delete": ("labels delete birds", "labels delete birds --folder ~/Pictures"),
    "models list": ("models list", "models list --measure"),
    "models compare": (
        "models compare starter clip-vit-b-32",
        "models compare clip-vit-b-32 --feedback --from s3://my-derived-data",
    ),
    "models pull": (
        "models pull clip-vit-b-32",
        "models pull siglip2-b-16 --source s3://my-models",
    ),
    "models calibrate": (
        "models calibrate ./my-model",
        "models calibrate clip-vit-b-32 --captions my.tsv",
    ),
    "models verify": ("models verify starter", "models verify ./my-model"),
}


class GroupWithExamples(typer.core.TyperGroup):
    """A group whose commands show their examples at the end of `--help`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        path = f"{ctx.info_name} {cmd_name}" if ctx.parent else cmd_name
        if command and path in EXAMPLES:
            command.epilog = "\b\nExamples:\n" + "\n".join(
                f"  imagesearch {line}" for line in EXAMPLES[path]
            )
        return command
