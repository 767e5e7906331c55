import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('flows', '0008_turn_keys'),
    ]

    operations = [
        migrations.AddField(
            model_name='testcase',
            name='environment',
            field=models.ForeignKey(help_text='Where its event is from; empty: from no environment.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.environment'),
        ),
    ]
