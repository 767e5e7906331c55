from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0027_parents_that_are_fetched"),
    ]

    operations = [
        migrations.AddField(
            model_name="groupretry",
            name="one_first",
            field=models.BooleanField(
                db_default=True, default=True, help_text="The rest waits until the first has worked."
            ),
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(
                condition=models.Q(("resolved_at__isnull", True)),
                fields=["fingerprint", "id"],
                name="letter_open_of_cause",
            ),
        ),
    ]
