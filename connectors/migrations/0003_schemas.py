from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):
    dependencies = [
        ("connectors", "0002_cursors"),
    ]

    operations = [
        migrations.CreateModel(
            name="SchemaSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "object",
                    models.CharField(
                        help_text="Type or API name; * for the list of all objects.", max_length=100
                    ),
                ),
                ("number", models.PositiveIntegerField(help_text="Counts the snapshots of an object.")),
                ("version", models.CharField(help_text="Of the API that told it.", max_length=60)),
                ("digest", models.CharField(help_text="SHA-256 of the content.", max_length=64)),
                ("content", models.JSONField(help_text="See connectors.schemas.")),
                ("taken_at", models.DateTimeField(help_text="When it was first seen so.")),
                ("checked_at", models.DateTimeField(help_text="When it was last found to hold.")),
                (
                    "modified",
                    models.CharField(blank=True, help_text="The Last-Modified of the answer.", max_length=60),
                ),
                (
                    "failed_at",
                    models.DateTimeField(help_text="When asking again failed, if it did since.", null=True),
                ),
                ("failure", models.CharField(blank=True, max_length=500)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="schemas",
                        to="connectors.connection",
                    ),
                ),
            ],
            options={
                "ordering": ("-number",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("connection", "object", "number"), name="one_snapshot_per_object_and_number"
                    )
                ],
            },
        ),
    ]
