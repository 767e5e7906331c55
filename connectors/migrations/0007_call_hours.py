import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connectors', '0006_rate_shares'),
    ]

    operations = [
        migrations.CreateModel(
            name='CallHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cause', models.BigIntegerField(default=0)),
                ('hour', models.DateTimeField(help_text='When the hour began, in UTC.')),
                ('kind', models.CharField(choices=[('read', 'Calls that read'), ('write', 'Calls that write'), ('login', 'Logins'), ('try', 'Runs taken through the flow')], max_length=5)),
                ('calls', models.PositiveBigIntegerField(default=0)),
                ('carried', models.PositiveBigIntegerField(default=0, help_text='Records or questions that the calls carried; runs, where runs are counted.')),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='call_hours', to='connectors.connection')),
            ],
            options={
                'indexes': [models.Index(fields=['connection', 'hour'], name='calls_of_a_connection_by_hour')],
                'constraints': [models.UniqueConstraint(fields=('connection', 'cause', 'hour', 'kind'), name='one_count_of_calls_per_cause_and_hour')],
            },
        ),
    ]
