from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0025_keys_of_known_customers'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='found',
            field=models.BinaryField(db_default=b'', default=b'', help_text='What it had found when a step gave up, encrypted; see flows.engine.carrying.'),
        ),
        migrations.AddField(
            model_name='run',
            name='goes_on_from',
            field=models.BigIntegerField(help_text='Id of the try that it goes on from, at its failed step, unless the object is read first.', null=True),
        ),
    ]
