import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0009_environments_of_test_cases'),
    ]

    operations = [
        migrations.CreateModel(
            name='Passage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('step', models.CharField(max_length=60)),
                ('exit', models.CharField(blank=True, help_text='Empty where the flow ended the run at the step, !failed where it failed there.', max_length=100)),
                ('hour', models.DateTimeField(help_text='When the hour began in which the runs ended.')),
                ('times', models.PositiveBigIntegerField()),
                ('pair', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='passages', to='flows.pair')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='passages', to='flows.flowversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('version', 'pair', 'step', 'exit', 'hour'), name='one_count_per_way_and_hour')],
            },
        ),
    ]
