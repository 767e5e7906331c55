from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("connectors", "0003_schemas")]

    operations = [
        migrations.CreateModel(
            name="Topic",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="/data/AccountChangeEvent, /event/Paid__e.", max_length=120
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "replay_id",
                    models.BinaryField(default=b"", help_text="Empty: no position is known yet."),
                ),
                (
                    "since",
                    models.DateTimeField(
                        help_text="While no position is known: what happened earlier is none of ours.",
                        null=True,
                    ),
                ),
                (
                    "from_earliest",
                    models.BooleanField(
                        default=False, help_text="Begin with the earliest event that Salesforce keeps."
                    ),
                ),
                (
                    "kept_until",
                    models.DateTimeField(help_text="Everything up to this moment was kept.", null=True),
                ),
                (
                    "heard_at",
                    models.DateTimeField(help_text="When the bus last sent anything.", null=True),
                ),
                (
                    "event_at",
                    models.DateTimeField(help_text="When the newest event happened.", null=True),
                ),
                (
                    "lag",
                    models.DurationField(
                        help_text="From happening to being kept, of the newest event.", null=True
                    ),
                ),
                (
                    "received",
                    models.PositiveBigIntegerField(default=0, help_text="Events that were new."),
                ),
                (
                    "stopped",
                    models.BooleanField(default=False, help_text="Until a person says how to go on."),
                ),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0, help_text="Failures since it was last heard."
                    ),
                ),
                ("retry_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("failure", models.CharField(blank=True, max_length=500)),
                ("failure_code", models.CharField(blank=True, max_length=100)),
                ("lease_until", models.DateTimeField(null=True)),
                ("lease_owner", models.CharField(blank=True, max_length=40)),
                (
                    "listener",
                    models.CharField(
                        blank=True, help_text="The process that hears it.", max_length=100
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="topics",
                        to="connectors.connection",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("connection", "name"), name="one_topic_per_connection"
                    )
                ],
            },
        ),
    ]
