from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0028_causes_page_by_page"),
    ]

    operations = [
        migrations.AddField(
            model_name="directory",
            name="form_reading",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="The form in which this generation keeps what is compared.",
            ),
        ),
        migrations.AddField(
            model_name="directory",
            name="form_read",
            field=models.PositiveSmallIntegerField(
                db_default=1, default=1, help_text="The form in which all records are kept."
            ),
        ),
        migrations.AddField(
            model_name="matchdecision",
            name="others",
            field=models.JSONField(
                help_text="The findings of the other records that were found; empty: not known.", null=True
            ),
        ),
        migrations.AddField(
            model_name="matchdecision",
            name="veto",
            field=models.CharField(
                blank=True, db_default="", help_text="Why only a person could decide, if so.", max_length=20
            ),
        ),
        migrations.AddField(
            model_name="matchdecision",
            name="question",
            field=models.CharField(
                blank=True, db_default="", help_text="The question that was answered.", max_length=24
            ),
        ),
    ]
